"""From an operator to what is done about it: count it, pass it, look inside it, or report it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

import torch
from torch.utils import flop_counter

from . import algorithms, attention, convolution, normalisation, products, recurrent
from .count import Count
from .free import is_free
from .registry import FORMULAS, numel

_FILLED_BY_IMPORT = (algorithms, attention, convolution, normalisation, products, recurrent)


class Kind(Enum):
    """What becomes of a call."""

    COUNTED = "counted"
    FREE = "free"
    COMPOSITE = "composite"
    UNKNOWN = "unknown"


class Rule(NamedTuple):
    """The kind of an operator and, when it is counted, its formula."""

    kind: Kind
    formula: Callable[..., Count | None] | None = None


def classify(operator: Any) -> Rule:
    """The rule of an ``OpOverload`` (or of a higher-order operator).

    A formula of our own comes first, since it is exact for sparse and complex operands too; then what
    ``torch.utils.flop_counter.register_flop_formula`` was taught; then the free list; then a composite
    operator is taken apart. Whatever is left is unknown and gets reported.
    """
    if not isinstance(operator, torch._ops.OpOverload):
        return Rule(Kind.COUNTED, _taught(operator)) if operator in flop_counter.flop_registry else Rule(Kind.UNKNOWN)
    own = FORMULAS.get(operator._schema.name)
    if own is not None:
        return Rule(Kind.COUNTED, own)
    packet = operator._overloadpacket
    if packet in flop_counter.flop_registry:
        return Rule(Kind.COUNTED, _taught(packet))
    if is_free(operator):
        return Rule(Kind.FREE)
    if torch._C._dispatch_has_kernel_for_dispatch_key(operator.name(), "CompositeImplicitAutograd"):
        return Rule(Kind.COMPOSITE)
    return Rule(Kind.UNKNOWN)


def _taught(target: Any) -> Callable[..., Count]:
    """A formula from PyTorch's registry; its FLOPs are two per multiply-add, by the registry's convention."""

    def registered_flop(*args: Any, out: Any, **kwargs: Any) -> Count:
        flops = int(flop_counter.flop_registry[target](*args, **kwargs, out_val=out))
        half = -(-flops // 2)
        return Count(half, half, flops, numel(out) if isinstance(out, (torch.Tensor, tuple, list)) else 0)

    return registered_flop
