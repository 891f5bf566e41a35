"""Every operator of the installed PyTorch is counted, free, taken apart, or on this list of those that are reported.

A new operator of a new PyTorch is on no list: it is reported at run time, and fails here until someone decides.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch
from releases import has

import pytest_modelbudget
from pytest_modelbudget.counting.operators.classify import Kind, classify
from pytest_modelbudget.counting.operators.free import FREE
from pytest_modelbudget.counting.operators.registry import FORMULAS

if has("torch.nn.attention.varlen"):  # it defines the operators of torch_attn
    import torch.nn.attention.varlen

REPORTED = {
    "iterative linear algebra, or a sparse solver: the number of steps is data": """
        _linalg_eigh _linalg_eigvals _linalg_svd linalg_eig linalg_eigvals linalg_matrix_sqrth linalg_pinv linalg_polar
        _spsolve
    """,
    "2:4 sparsity: it tries kernels to find the fastest": "_cslt_sparse_mm_search",
    "tests of PyTorch itself": """
        _foobar _test_autograd_multiple_dispatch _test_functorch_fallback _test_optional_filled_intlist
        _test_optional_floatlist _test_optional_intlist _test_parallel_materialize _test_warn_in_autograd
    """,
}

ELSEWHERE = {
    "quantized": "",
    "_quantized": "",
    "quantization": "",
    "onednn": "",
    "mkldnn": "",
    "mkl": "",
    "sparse": "",
    "torch_attn": "",
    "mkldnn_prepacked": "conv2d_prepack conv2d_run",  # the object that it makes does not tell the weight
}
"""PyTorch's other namespaces that models reach without its compiler, and what is reported of them."""


def operators(namespace: str) -> dict[str, list[Any]]:
    """The overloads of every operator registered, by name."""
    found = defaultdict(list)
    for full in torch._C._dispatch_get_all_op_names():
        name, _, overload = full.partition(".")
        if name.startswith(f"{namespace}::"):
            packet = getattr(getattr(torch.ops, namespace), name.partition("::")[2])
            found[name.partition("::")[2]].append(getattr(packet, overload or "default"))
    return found


ATEN = operators("aten")


def stem(name: str) -> str:
    """The name of the functional form of an in-place operator."""
    return name[:-1] if name.endswith("_") and not name.startswith("__") else name


def test_every_operator_is_decided() -> None:
    unknown = {
        stem(name) for name, overloads in ATEN.items() if any(classify(o).kind is Kind.UNKNOWN for o in overloads)
    }
    listed = {name for names in REPORTED.values() for name in names.split()}
    known = {stem(name) for name in ATEN}  # an older PyTorch does not have all of them
    assert unknown - listed == set(), "count these, add them to operators/free.py, or list them here with a reason"
    assert (listed & known) - unknown == set(), "these are decided now: take them off the list"


@pytest.mark.parametrize("namespace", ELSEWHERE)
def test_every_operator_of_another_namespace_is_decided(namespace: str) -> None:
    found = operators(namespace)
    unknown = {name for name, overloads in found.items() if any(classify(o).kind is Kind.UNKNOWN for o in overloads)}
    assert unknown == set(ELSEWHERE[namespace].split()) & set(found)


@pytest.mark.parametrize("name", ["flex_attention", "flex_attention_backward"])
def test_an_operator_that_takes_functions_is_decided(name: str) -> None:
    module = pytest.importorskip("torch._higher_order_ops.flex_attention")
    assert classify(getattr(module, name)).kind is Kind.COUNTED


def test_nothing_is_both_free_and_counted() -> None:
    assert FREE & set(FORMULAS) == set()


def test_all_overloads_of_an_operator_are_of_one_kind() -> None:
    """In particular those that write into a tensor given with ``out=``."""
    mixed = {}
    for name, overloads in ATEN.items():
        kinds = {classify(o).kind for o in overloads}
        if (Kind.COUNTED in kinds and kinds != {Kind.COUNTED}) or kinds >= {Kind.FREE, Kind.UNKNOWN}:
            mixed[name] = kinds
    assert mixed == {}


def test_a_tag_alone_makes_free_what_is_a_special_function_or_a_copy() -> None:
    """PyTorch's tags free new element-wise operators; what they free is worth a look."""
    by_tag = {
        stem(name)
        for name, overloads in ATEN.items()
        if any(classify(o).kind is Kind.FREE and not returns_views(o) for o in overloads)
        if f"aten::{stem(name)}" not in FREE and f"aten::{name}" not in FREE
    }
    assert {n for n in by_tag if not n.startswith(("special_", "_foreach_")) and not n.endswith("_copy")} == set()


def returns_views(operator: Any) -> bool:
    returns = operator._schema.returns
    return bool(returns) and all(r.alias_info is not None and not r.alias_info.is_write for r in returns)


def test_a_product_is_not_a_view() -> None:
    """A result that shares memory with an argument cannot be a sum of products: every formula returns something new."""
    views = [name for name in FORMULAS if name.startswith("aten::") and any(map(returns_views, ATEN[name[6:]]))]
    assert views == []


def test_the_primitives_that_compute_are_not_free() -> None:
    """The namespace ``prims`` is element-wise and moving operators, but for these."""
    computing = {name for name, overloads in operators("prims").items() if classify(overloads[0]).kind is not Kind.FREE}
    assert computing == {"svd", "fft_r2c", "fft_c2c", "fft_c2r"}


NEW_FILE = """
from .count import multiply_adds
from .registry import formula


@formula("relu")
def relu_flop(self, *, out):
    return multiply_adds(7, 0)
"""


def test_a_new_file_of_formulas_is_found(tmp_path: Path) -> None:
    """It is enough that it lies in the folder: nothing else names it."""
    package = Path(pytest_modelbudget.__file__).parent
    copy = shutil.copytree(package, tmp_path / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "counting" / "operators" / "new_file.py").write_text(NEW_FILE)
    code = "from pytest_modelbudget import measure; from torch import nn; print(measure(nn.ReLU(), inputs=(2, 3)).macs)"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout == "7\n"
