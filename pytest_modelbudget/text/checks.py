"""Strict checks of parsed JSON: each gives the value as what it must be, or says where and why it is not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ..errors import nearest
from .json import Literal, Place, Repeated

LARGEST = 10**30
"""No count is larger."""


class Wrong(Exception):
    """A value that does not belong where it stands."""

    def __init__(self, what: str, place: Place) -> None:
        super().__init__(what)
        self.place = place


def an_object(value: Any, place: Place) -> dict[str, Any]:
    """An object in which no key stands twice."""
    if not isinstance(value, dict):
        raise Wrong(f"{_found(value)} where an object belongs", place)
    if isinstance(value, Repeated):
        raise Wrong("given twice", (*place, value.key))
    return value


def a_record(value: Any, place: Place, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Any]:
    """An object that has all the required fields and no unknown one."""
    record = an_object(value, place)
    required = tuple(required)
    allowed = (*required, *optional)
    for key in record:
        if key not in allowed:
            raise Wrong(f"unknown field.{nearest(key, allowed)} Allowed: {', '.join(allowed)}", (*place, key))
    for key in required:
        if key not in record:
            raise Wrong(f"the field {key!r} is missing", place)
    return record


def a_list(value: Any, place: Place) -> list[Any]:
    """A list of anything."""
    if not isinstance(value, list):
        raise Wrong(f"{_found(value)} where a list belongs", place)
    return value


def a_text(value: Any, place: Place) -> str:
    """A text that can be written out: halves of surrogate pairs cannot."""
    if not isinstance(value, str):
        raise Wrong(f"{_found(value)} where a text belongs", place)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Wrong("half a surrogate pair, which is no character", place) from None
    return value


def one_of(value: Any, place: Place, allowed: Iterable[str]) -> str:
    """One of a few words."""
    allowed = tuple(allowed)
    if not isinstance(value, str) or value not in allowed:
        raise Wrong(f"{_found(value)} where one of {', '.join(map(repr, allowed))} belongs", place)
    return value


def a_count(value: Any, place: Place, least: int = 0) -> int:
    """A whole number that something can cost."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LARGEST:
        raise Wrong(f"{_found(value)} where a whole number from {least} to 10**30 belongs", place)
    return value


def show(place: Place) -> str:
    """``entries > "a test" > totals > flops``, inert in a terminal: what is not ASCII is escaped."""
    return " > ".join(_short(part) for part in place) or "the file"


def _short(part: str | int) -> str:
    if isinstance(part, int):
        return str(part + 1)  # people count rows from one
    return part if part.isidentifier() and part.isascii() and len(part) <= _LONGEST else _quoted(part)


_LONGEST = 80


def _quoted(text: str) -> str:
    return json.dumps(text if len(text) <= _LONGEST else text[:_LONGEST] + "...")


def _found(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, Literal):
        return value.text if len(value.text) <= _LONGEST else f"a number of {len(value.text)} characters"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)
