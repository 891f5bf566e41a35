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

import torch

import pytest_modelbudget
from pytest_modelbudget.counting.operators.classify import Kind, classify
from pytest_modelbudget.counting.operators.free import FREE
from pytest_modelbudget.counting.operators.registry import FORMULAS

REPORTED = {
    "iterative linear algebra, or a sparse solver: the number of steps is data": """
        _linalg_eigh _linalg_eigvals _linalg_svd linalg_eig linalg_eigvals linalg_lstsq linalg_matrix_exp linalg_pinv
        _compute_linear_combination _spsolve
    """,
    "two sparse matrices: the work depends on where their elements meet": "_sparse_sparse_matmul",
    "2:4 sparsity: how much a kernel saves is the device's": """
        _cslt_sparse_mm _cslt_sparse_mm_search _sparse_semi_structured_addmm _sparse_semi_structured_linear
        _sparse_semi_structured_mm
    """,
    "quantized kernels: their weights are packed": "quantized_batch_norm quantized_gru quantized_lstm",
    "parts of a batch norm that is spread over devices": """
        batch_norm_elemt batch_norm_gather_stats batch_norm_gather_stats_with_counts batch_norm_stats
        batch_norm_update_stats
    """,
    "an attention kernel that returns no output": "_flash_attention_forward_no_dropout_inplace",
    "optimizers": "_fused_adagrad _fused_adam _fused_adamw _fused_sgd",
    "tests of PyTorch itself": """
        _foobar _test_autograd_multiple_dispatch _test_functorch_fallback _test_optional_filled_intlist
        _test_optional_floatlist _test_optional_intlist _test_parallel_materialize _test_warn_in_autograd
    """,
    "gradients of products that only some devices and kernels compute in one": """
        _cdist_backward _pdist_backward _cudnn_attention_backward _cudnn_rnn_backward miopen_rnn_backward
        mkldnn_rnn_layer_backward lstm_mps_backward linear_backward matmul_backward mkldnn_linear_backward
        mkldnn_linear_backward_input mkldnn_linear_backward_weights mps_convolution_backward
        mps_convolution_transpose_backward convolution_backward_overrideable _slow_conv2d_backward
        _embedding_bag_per_sample_weights_backward _sparse_mm_reduce_impl_backward cudnn_affine_grid_generator_backward
    """,
}


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
