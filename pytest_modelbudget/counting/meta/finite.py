"""Guards for finite values, which a model reads and which do not depend on its data, as long as that is finite.

``torch.isfinite(x).all()`` is true on finite data, ``x.isnan().any()`` is false. A boolean that comes from such tests
by ``all``, ``any``, negation, ``and`` and ``or`` alone is known on the meta device. So is the outcome of
``torch._is_all_true``, by which PyTorch checks its own assertions, such as those of ``torch.distributions``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .by_storage import ByStorage
from .output_rules.registry import operators_named

Known = Callable[[Any], bool | None]
"""Gives the value of every element of a tensor, if that is known."""

Rule = Callable[[Known, Any], bool | None]
"""Gives the value of every element of an operator's result by its arguments, if that is known."""


def _same(known: Known, args: Any) -> bool | None:
    return known(args[0])


def _asserted(known: Known, args: Any) -> bool | None:
    """An assertion holds, unless it is known that it does not."""
    value = known(args[0])
    return True if value is None else value


def _not(known: Known, args: Any) -> bool | None:
    value = known(args[0])
    return None if value is None else not value


def _and(known: Known, args: Any) -> bool | None:
    one, other = known(args[0]), known(args[1])
    return None if one is None or other is None else one and other


def _or(known: Known, args: Any) -> bool | None:
    one, other = known(args[0]), known(args[1])
    return None if one is None or other is None else one or other


def _equal(known: Known, args: Any) -> bool | None:
    """Only NaN differs from itself."""
    return True if args[0] is args[1] else None


def _different(known: Known, args: Any) -> bool | None:
    return False if args[0] is args[1] else None


_NAMES: tuple[tuple[str, Rule], ...] = (
    ("isfinite", lambda known, args: True),
    ("isnan isinf isposinf isneginf", lambda known, args: False),
    ("_is_all_true", _asserted),
    ("all all.dim all.dims any any.dim any.dims _is_any_true", _same),
    ("item is_nonzero _local_scalar_dense", _same),
    ("clone to.dtype_layout to.device to.dtype to.other _to_copy", _same),
    ("logical_not bitwise_not", _not),
    ("logical_and bitwise_and.Tensor __and__.Tensor", _and),
    ("logical_or bitwise_or.Tensor __or__.Tensor", _or),
    ("eq.Tensor", _equal),
    ("ne.Tensor", _different),
)
_READS = frozenset(id(o) for o in operators_named("item", "is_nonzero", "_local_scalar_dense"))
_RULES = {id(o): rule for names, rule in _NAMES for o in operators_named(*names.split())}  # operators are slow to hash
COMPARES = frozenset(operators_named("eq.Tensor", "ne.Tensor"))
"""Operators with an output rule that may be guards."""


class FiniteGuards:
    """The storages of one run whose every element is known, and its value."""

    def __init__(self) -> None:
        self._known: ByStorage[bool] = ByStorage()

    def call(
        self, operator: Any, args: Any, kwargs: dict[str, Any], run: Callable[[], tuple[Any, int]]
    ) -> tuple[Any, int]:
        """The known value that ``operator`` reads, or what ``run`` returns, which is remembered if it is known."""
        rule = _RULES.get(id(operator))
        if rule is None:
            if self._known and operator._schema.is_mutable:
                self._forget((*args, *kwargs.values()))
            return run()
        value = rule(self._value, args) if _is_meta(args[0]) else None
        if value is not None and id(operator) in _READS:
            return value, 0
        out = run()
        if value is not None and _is_meta(out[0]) and out[0].dtype is torch.bool and args[0].numel():
            self._known.put(out[0], value)
        return out

    def _value(self, tensor: Any) -> bool | None:
        if not _is_meta(tensor) or tensor.dtype is not torch.bool:
            return None
        return self._known.get(tensor)

    def _forget(self, values: Any) -> None:
        """What an operator may have changed in place is known no longer."""
        for tensor in values:
            if _is_meta(tensor):
                self._known.forget(tensor)


def _is_meta(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_meta and value.layout is torch.strided
