"""The table of formulas: operator name to the function that counts one call of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .count import Count

Formula = Callable[..., "Count | None"]
"""Called with the operator's own arguments and ``out=`` its result. ``None``: this call cannot be counted."""

_F = TypeVar("_F", bound=Formula)

FORMULAS: dict[str, Formula] = {}


def formula(*names: str) -> Callable[[_F], _F]:
    """Register a function as the formula of the named operators (``"aten::mm"``); each has one formula only."""

    def register(function: _F) -> _F:
        for name in names:
            qualified = name if "::" in name else f"aten::{name}"
            if qualified in FORMULAS:
                raise ValueError(f"{qualified} has a formula already: {FORMULAS[qualified].__name__}")
            FORMULAS[qualified] = function
        return function

    return register


def numel(tensor: Any) -> int:
    """Elements of a tensor, or of the first tensor of a tuple or list of results."""
    first = tensor[0] if isinstance(tensor, (tuple, list)) else tensor
    return int(first.numel())
