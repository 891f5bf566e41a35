"""From an operator to what is done with a call of it: count it, let it pass, run its parts instead, or report it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

import torch
from torch.utils import flop_counter

from ..pytorch.private import OpOverload, has_kernel
from .count import Count
from .free import is_free
from .registry import FORMULAS, Formula


class Kind(Enum):
    """What is done with a call of an operator.

    ``COUNTED`` has a formula, ``FREE`` costs nothing by convention, ``COMPOSITE`` is run as the operators that it is
    made of, which are counted instead, ``UNKNOWN`` has no formula and is reported.
    """

    COUNTED = "counted"
    FREE = "free"
    COMPOSITE = "composite"
    UNKNOWN = "unknown"


class Classification(NamedTuple):
    """What `classify` says of an operator.

    ``formula`` gives the cost of a call; only a counted operator has one. ``decomposes`` says that devices run this
    counted or free operator as several others, whose temporaries add to its memory.
    """

    kind: Kind
    formula: Formula | None = None
    decomposes: bool = False


_VIEWS_AND_COPIES = """
    adjoint broadcast_to chunk contiguous dropout expand_as flatten is_complex is_floating_point is_signed moveaxis
    movedim mT narrow numpy_T reshape reshape_as resolve_conj resolve_neg result_type size split_with_sizes swapaxes
    swapdims tensor_split to type_as unflatten view_as
"""
_READ_VALUES = "ctc_loss _pad_packed_sequence item is_nonzero"
_NOT_DECOMPOSED = frozenset(f"aten::{name}" for name in (_VIEWS_AND_COPIES + _READ_VALUES).split())
"""Composite operators that are run as one: views and copies have no temporaries, and those that read values cannot be
decomposed on the meta device."""

MOVED_BETWEEN_RANKS = frozenset({"c10d", "_c10d_functional", "_dtensor", "fsdp"})
"""Namespaces of collectives and of what packs tensors for them. What they send is counted as communication."""


def classify(operator: Any) -> Classification:
    """Classify an ``OpOverload`` or a higher-order operator.

    The first of these that knows the operator decides: a formula of this package, which is exact for sparse and
    complex operands too; a formula registered with ``torch.utils.flop_counter.register_flop_formula``; the list of
    free operators; PyTorch's decomposition of a composite operator. What none of them knows is unknown.
    """
    if not isinstance(operator, OpOverload):
        return _classify_higher_order(operator)
    formula = FORMULAS.get(operator._schema.name)
    if formula is None and operator._overloadpacket in flop_counter.flop_registry:
        formula = _registered_with_pytorch(operator._overloadpacket)
    composite = has_kernel(operator.name(), "CompositeImplicitAutograd")
    decomposes = composite and not _has_cpu_kernel(operator) and operator._schema.name not in _NOT_DECOMPOSED
    if formula is not None:
        return Classification(Kind.COUNTED, _without_out_arguments(formula, operator), decomposes=decomposes)
    if is_free(operator) or operator.namespace in MOVED_BETWEEN_RANKS:
        return Classification(Kind.FREE, decomposes=decomposes)
    return Classification(Kind.COMPOSITE if composite else Kind.UNKNOWN)


def _has_cpu_kernel(operator: Any) -> bool:
    """Whether devices run a composite operator as one, by a kernel of its own, as they do ``silu_backward``."""
    return bool(has_kernel(operator.name(), "CPU"))


def _classify_higher_order(operator: Any) -> Classification:
    """Classify an operator that takes functions. Those of control flow are none here: they are run as Python."""
    formula = FORMULAS.get(f"higher_order::{operator.name()}")
    if formula is None and operator in flop_counter.flop_registry:
        formula = _registered_with_pytorch(operator)
    if formula is not None:
        return Classification(Kind.COUNTED, formula)
    return Classification(Kind.UNKNOWN)


def _without_out_arguments(formula: Formula, operator: Any) -> Formula:
    """The formula for an overload that takes the tensors to write into, as ``torch.linalg.qr(a, out=(q, r))`` does."""
    outputs = {argument.name for argument in operator._schema.arguments if argument.is_out} - {"out"}
    if not outputs:
        return formula

    def functional_flop(*args: Any, **kwargs: Any) -> Count | None:
        return formula(*args, **{name: value for name, value in kwargs.items() if name not in outputs})

    return functional_flop


def _registered_with_pytorch(target: Any) -> Callable[..., Count]:
    """A formula from PyTorch's registry. By the registry's convention its FLOPs are two for each multiply-add."""

    def registered_flop(*args: Any, out: Any, **kwargs: Any) -> Count:
        flops = int(flop_counter.flop_registry[target](*args, **kwargs, out_val=out))
        half = -(-flops // 2)
        return Count(half, half, flops, _elements(out))

    return registered_flop


def _elements(out: Any) -> int:
    """Elements of the first tensor among the results, which may also hold numbers and ``None``."""
    results = out if isinstance(out, (tuple, list)) else (out,)
    return next((result.numel() for result in results if isinstance(result, torch.Tensor)), 0)
