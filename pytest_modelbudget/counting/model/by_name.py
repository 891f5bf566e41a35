"""Calling a user's function with the parts of the operating point that its parameters name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import UsageError
from ...values.parameters import parameters_of
from ...values.point import OperatingPoint, axis_names


def call_by_name(function: Callable[..., Any], point: OperatingPoint, *, what: str) -> Any:
    """Call ``function`` with the parts of the operating point that its required parameters name.

    ``what`` is what the user gave it as, for messages; ``"inputs="`` also gets parts for parameters with a default.
    Raises `UsageError` when it requires another argument, or a part that is not given.
    """
    parameters = parameters_of(function)
    if parameters is None:
        return function()
    given = point.with_batch_one().arguments()
    keywords = {}
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.name in given and parameter.kind is not parameter.POSITIONAL_ONLY:
            if parameter.default is parameter.empty or what == "inputs=":
                keywords[parameter.name] = given[parameter.name]
        elif parameter.default is parameter.empty:
            names = axis_names(point, by_name=True)
            missing = f"Add {parameter.name}=." if parameter.name in names else (
                f"Only {', '.join(map(repr, names))} are given by name; give a dimension of your own as "
                f"dims={{{parameter.name!r}: ...}}, and {_rest(what, parameter.name)}"
            )  # fmt: skip
            name = getattr(function, "__name__", repr(function))
            raise UsageError(f"{what} {name}() needs the argument {parameter.name!r}. {missing}")
    return function(**keywords)


def _rest(what: str, name: str) -> str:
    """How else an argument is given."""
    if what == "the factory":
        return f"the rest as args={{{name!r}: ...}} (--arg {name}=...), functools.partial(..., {name}=...) or a lambda."
    return f"bind the rest, as in functools.partial(..., {name}=...) or a lambda."
