"""What may be meant by an argument that something inside of a factory does not take."""

from __future__ import annotations

import re
import traceback
from typing import Any

from ...errors import nearest
from ...values.parameters import parameters_of

_UNEXPECTED = re.compile(r"([\w.<>]+)\(\) got an unexpected keyword argument '(\w+)'")


def hint_at_argument(error: BaseException) -> str:
    """What the function that refused an argument takes instead, or an empty text for another error.

    The error has the function's name alone: it is looked up where it was called.
    """
    found = _UNEXPECTED.search(str(error)) if isinstance(error, TypeError) else None
    if found is None:
        return ""
    name, argument = found[1].removesuffix(".__init__"), found[2]
    frame = list(traceback.walk_tb(error.__traceback__))[-1][0]
    for value in (*frame.f_locals.values(), *frame.f_globals.values()):
        if getattr(value, "__qualname__", None) == name and callable(value):
            allowed = _names(value)
            meant = "" if "Did you mean" in str(error) else f".{nearest(argument, allowed)}"  # Python 3.13 says it
            return f"{meant} Allowed: {', '.join(allowed)}." if allowed else ""
    return ""


def _names(function: Any) -> list[str]:
    """The arguments of a function that are given by name."""
    parameters = parameters_of(function) or ()
    return [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
