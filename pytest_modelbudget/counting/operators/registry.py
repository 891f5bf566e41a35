"""The table of formulas, from the name of an operator to the function that gives the cost of one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .count import Count

Formula = Callable[..., "Count | None"]
"""Called with the operator's own arguments, and with its result as ``out=``. ``None`` if the call cannot be counted."""

_F = TypeVar("_F", bound=Formula)

FORMULAS: dict[str, Formula] = {}


def formula(*names: str) -> Callable[[_F], _F]:
    """Register a function as the formula of the named operators (``"mm"``, ``"torchvision::roi_align"``).

    Raises `ValueError` for an operator that has a formula already.
    """

    def register(function: _F) -> _F:
        for name in names:
            qualified = name if "::" in name else f"aten::{name}"
            if qualified in FORMULAS:
                raise ValueError(f"{qualified} has a formula already: {FORMULAS[qualified].__name__}")
            FORMULAS[qualified] = function
        return function

    return register


def qualified_name(operator: Any) -> str:
    """The name of an operator without its overload, by which `FORMULAS` has it: ``"aten::mm"``."""
    schema = getattr(operator, "_schema", None)
    return str(schema.name) if schema is not None else str(operator.name())  # a higher-order one has no schema


def numel(tensor: Any) -> int:
    """Elements of a tensor, or of the first tensor of a tuple or list of results."""
    first = tensor[0] if isinstance(tensor, (tuple, list)) else tensor
    return int(first.numel())
