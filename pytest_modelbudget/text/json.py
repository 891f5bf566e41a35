"""JSON as it comes from an editor, a merge or a bad disk: parsed strictly, and any place in it given its line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

Place = tuple[str | int, ...]
"""A place in a JSON document: keys and positions from the top."""

_LONGEST_NUMBER = 40  # digits; Python itself stops at 4300 with a ValueError
_DEEPEST = 20
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]|[^\s"\[\]{},:]+', re.DOTALL)
_CONFLICT = re.compile(r"^(?:<{7}|\|{7}|={7}|>{7})(?=\s|$)", re.MULTILINE)


class Damaged(Exception):
    """The text is not JSON: where, and what is wrong with it."""

    def __init__(self, what: str, line: int, column: int = 0) -> None:
        super().__init__(what)
        self.line = line
        self.column = column


class Conflict(Damaged):
    """The text has markers of an unresolved merge."""


@dataclass(frozen=True)
class Literal:
    """A number, as it was written, that is no whole number of bearable length: ``1.5``, ``NaN``."""

    text: str


class Repeated(dict[str, Any]):
    """An object in which ``key`` stands twice."""

    key: str


def decode(data: bytes) -> str:
    """Decode UTF-8. Raises `Damaged` for bytes that are something else."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Damaged(f"byte 0x{data[error.start]:02x} is not UTF-8", line) from None


def parse(text: str) -> Any:
    """Parse JSON; what only Python takes for a number stays a `Literal`, a key given twice makes a `Repeated`.

    Raises `Damaged`, and no other error, for whatever is not JSON.
    """
    if text.startswith("\ufeff"):
        raise Damaged("the file begins with a byte order mark. Allowed: UTF-8 without one", 1)
    if not text.strip():
        raise Damaged("the file is empty", 1)
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_int=_whole, parse_float=Literal, parse_constant=Literal
        )
    except json.JSONDecodeError as error:
        conflict = _CONFLICT.search(text)  # a line of valid JSON cannot begin like that
        if conflict is not None:
            raise Conflict(f"merge conflict marker {conflict[0]}", _line(text, conflict.start())) from None
        raise Damaged(f"damaged JSON: {error.msg}", error.lineno, error.colno) from None
    except RecursionError:
        raise Damaged("damaged JSON: nested too deeply", _deep_line(text)) from None


def _whole(digits: str) -> int | Literal:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else Literal(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated = Repeated(found)
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            repeated.key = key
        seen.add(key)
    return repeated


def lines_of(text: str, path: Place) -> list[int]:
    """The lines of valid JSON on which ``path`` stands: more than one for a key that is given twice."""
    found = []
    place: list[Any] = []  # of each open container: the key (None before it) or the position being read
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in ("}", "]"):
            place.pop()
        elif mark == ",":
            place[-1] = place[-1] + 1 if isinstance(place[-1], int) else None
        elif mark != ":":
            is_key = bool(place) and place[-1] is None
            if is_key:
                place[-1] = json.loads(mark)
            if (is_key or (place and isinstance(place[-1], int))) and tuple(place) == path:
                found.append(_line(text, token.start()))
            if not is_key and mark in ("{", "["):
                place.append(None if mark == "{" else 0)
    return found


def _deep_line(text: str) -> int:
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
        if depth > _DEEPEST:
            return _line(text, token.start())
    return 1


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
