"""From an operator to what is done about it: count it, pass it, look inside it, or report it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

import torch
from torch.utils import flop_counter

from . import (
    algorithms,
    attention,
    convolution,
    flex,
    gradients,
    normalisation,
    products,
    quantized,
    recurrent,
    sparse,
)
from .count import Count
from .free import is_free
from .registry import FORMULAS, Formula

_FILLED_BY_IMPORT = (
    algorithms,
    attention,
    convolution,
    flex,
    gradients,
    normalisation,
    products,
    quantized,
    recurrent,
    sparse,
)


class Kind(Enum):
    """What becomes of a call."""

    COUNTED = "counted"
    FREE = "free"
    COMPOSITE = "composite"
    UNKNOWN = "unknown"


class Rule(NamedTuple):
    """The kind of an operator; when it is counted, its formula; when it takes functions and calls them, how.

    ``composite`` says that it is run as one although it is made of others, which may need memory for a while.
    """

    kind: Kind
    formula: Callable[..., Count | None] | None = None
    calls: Callable[..., Any] | None = None
    composite: bool = False


_VIEWS_AND_COPIES = """
    adjoint broadcast_to chunk contiguous dropout expand_as flatten is_complex is_floating_point is_signed moveaxis
    movedim mT narrow numpy_T reshape reshape_as resolve_conj resolve_neg result_type size split_with_sizes swapaxes
    swapdims tensor_split to type_as unflatten view_as
"""
_READ_LENGTHS = "ctc_loss _pad_packed_sequence item is_nonzero"
_RUN_WHOLE = frozenset(f"aten::{name}" for name in (_VIEWS_AND_COPIES + _READ_LENGTHS).split())
"""Composite operators that are not looked into for what they have alive on the way: views and copies have nothing
beside their result, and those that read values cannot be taken apart on meta."""

_CONTROL_FLOW = frozenset({"cond", "while_loop", "map_impl", "scan", "associative_scan"})


def classify(operator: Any) -> Rule:
    """The rule of an ``OpOverload`` (or of a higher-order operator).

    A formula of our own comes first, since it is exact for sparse and complex operands too; then what
    ``torch.utils.flop_counter.register_flop_formula`` was taught; then the free list; then a composite
    operator is taken apart. Whatever is left is unknown and gets reported.
    """
    if not isinstance(operator, torch._ops.OpOverload):
        return _classify_higher_order(operator)
    own = FORMULAS.get(operator._schema.name)
    if own is None and operator._overloadpacket in flop_counter.flop_registry:
        own = _taught(operator._overloadpacket)
    composite = torch._C._dispatch_has_kernel_for_dispatch_key(operator.name(), "CompositeImplicitAutograd")
    taken_apart = composite and not _has_own_kernel(operator) and operator._schema.name not in _RUN_WHOLE
    if own is not None:
        return Rule(Kind.COUNTED, _functional(own, operator), composite=taken_apart)
    if is_free(operator):
        return Rule(Kind.FREE, composite=taken_apart)
    return Rule(Kind.COMPOSITE if composite else Kind.UNKNOWN)


def _has_own_kernel(operator: Any) -> bool:
    """Whether devices run it as one although it could be taken apart, as ``silu_backward``."""
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key(operator.name(), "CPU"))


def _classify_higher_order(operator: Any) -> Rule:
    """An operator that is given functions. Loops and branches are what runs inside them."""
    own = FORMULAS.get(f"higher_order::{operator.name()}")
    if own is None and operator in flop_counter.flop_registry:
        own = _taught(operator)
    if own is not None:
        return Rule(Kind.COUNTED, own)
    plain = operator.py_kernels.get(torch._C.DispatchKey.CompositeExplicitAutograd)
    if operator.name() in _CONTROL_FLOW and plain is not None:
        return Rule(Kind.COMPOSITE, calls=plain)
    return Rule(Kind.UNKNOWN)


def _functional(formula: Formula, operator: Any) -> Formula:
    """The formula for a call that may be given the tensors to write into, as ``torch.linalg.qr(a, out=(q, r))`` is."""
    given = {argument.name for argument in operator._schema.arguments if argument.is_out} - {"out"}
    if not given:
        return formula

    def functional_flop(*args: Any, **kwargs: Any) -> Count | None:
        return formula(*args, **{name: value for name, value in kwargs.items() if name not in given})

    return functional_flop


def _taught(target: Any) -> Callable[..., Count]:
    """A formula from PyTorch's registry; its FLOPs are two per multiply-add, by the registry's convention."""

    def registered_flop(*args: Any, out: Any, **kwargs: Any) -> Count:
        flops = int(flop_counter.flop_registry[target](*args, **kwargs, out_val=out))
        half = -(-flops // 2)
        return Count(half, half, flops, _elements(out))

    return registered_flop


def _elements(out: Any) -> int:
    """Elements of the first tensor among the results, which may also hold numbers and ``None``."""
    results = out if isinstance(out, (tuple, list)) else (out,)
    return next((result.numel() for result in results if isinstance(result, torch.Tensor)), 0)
