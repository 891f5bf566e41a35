"""The parameters of a user's function, as far as Python tells them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any


def parameters_of(function: Callable[..., Any]) -> tuple[inspect.Parameter, ...] | None:
    """The parameters in order; ``None`` of what has no signature, as some built-in functions."""
    try:
        return tuple(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None


def required_positional(parameters: Iterable[inspect.Parameter]) -> list[inspect.Parameter]:
    """Those without a default that may be given by position."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [one for one in parameters if one.kind in kinds and one.default is one.empty]
