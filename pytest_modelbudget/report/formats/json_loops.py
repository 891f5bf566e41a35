"""Rows whose names repeat with a number in them, as those of the layers of a network do, written once as a loop.

A row is a list that begins with a name. A loop is ``{"from": 0, "to": 23, "rows": [...]}``: its rows stand there for
each number, up or down, with the number in the place of ``*`` in their names.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from ...text.checks import Wrong, a_count, a_list, a_record
from ...text.json import Place
from ...values.rows import NUMBERED

Row = tuple[Any, ...]
Loop = dict[str, Any]

_LEAST = 4
"""Repetitions that are worth a loop: fewer are easier to read as they are."""

MOST = 100_000
"""Rows that a list may come to: more are no model."""

_FIELDS = ("from", "to", "rows")


def folded(rows: Sequence[Row]) -> list[Row | Loop]:
    """The rows, with loops where rows repeat."""
    places: dict[Row, list[int]] = {}
    for number, row in enumerate(rows):
        places.setdefault(row, []).append(number)
    found: list[Row | Loop] = []
    start = 0
    while start < len(rows):
        loop = _loop_at(rows, start, places)
        found.append(rows[start] if loop is None else loop)
        start += 1 if loop is None else len(loop["rows"]) * (abs(loop["to"] - loop["from"]) + 1)
    return found


def unfolded(tree: Any, place: Place) -> Iterator[tuple[list[Any], Place]]:
    """The rows that `folded` was given, and where each stands; only its name is checked. Raises `Wrong`."""
    many = 0
    for number, item in enumerate(a_list(tree, place)):
        here = (*place, number)
        if not isinstance(item, dict):
            yield _row(item, here), here
            many += 1
            continue
        loop = a_record(item, here, _FIELDS)
        begin, end = (a_count(loop[name], (*here, name)) for name in _FIELDS[:2])
        inner = [(_row(row, inside := (*here, "rows", n)), inside) for n, row in enumerate(a_list(loop["rows"], here))]
        many += len(inner) * (abs(end - begin) + 1)
        if many > MOST:
            raise Wrong(f"a loop of more than {MOST} rows", here)
        step = 1 if end >= begin else -1
        for value in range(begin, end + step, step):
            for (name, *more), inside in inner:
                yield [name.replace("*", str(value)), *more], inside


def _row(tree: Any, place: Place) -> list[Any]:
    row = a_list(tree, place)
    if not row or not isinstance(row[0], str):
        raise Wrong("no name, where a row begins with one", place)
    return row


def _loop_at(rows: Sequence[Row], start: int, places: dict[Row, list[int]]) -> Loop | None:
    """The loop that begins at a row, over the number in its name that gives the most repetitions."""
    best: Loop | None = None
    covered = 0
    for prefix, value in _numbers(rows[start][0]):
        for step in (1, -1):
            again = places.get(_numbered(rows[start], prefix, value, str(value + step)), [])
            later = bisect_right(again, start)
            if value + step < 0 or later == len(again):
                continue
            period = again[later] - start
            times = _times(rows, start, prefix, value, step, period)
            block = rows[start : start + period]
            if times >= _LEAST and times * period > covered and not any("*" in row[0] for row in block):
                covered = times * period
                named = [_numbered(row, prefix, value, "*") for row in block]
                best = {"from": value, "to": value + step * (times - 1), "rows": named}
    return best


def _numbers(name: str) -> Iterator[tuple[str, int]]:
    """Each number that a part of a name is or ends with, and all before it."""
    before = 0
    for part in name.split("."):
        match = NUMBERED.fullmatch(part)
        if match is not None:
            yield name[:before] + match[1], int(match[2])
        before += len(part) + 1


def _times(rows: Sequence[Row], start: int, prefix: str, value: int, step: int, period: int) -> int:
    """How often the rows that begin at ``start`` are there one after another, each time with the next number."""
    times = 1
    while value + step * times >= 0 and start + (times + 1) * period <= len(rows):
        number, later = str(value + step * times), start + times * period
        if any(rows[later + n] != _numbered(rows[start + n], prefix, value, number) for n in range(period)):
            break
        times += 1
    return times


def _numbered(row: Row, prefix: str, value: int, number: str) -> Row:
    """A row with another number in its name, if it has that one there."""
    name, head = row[0], f"{prefix}{value}"
    if name != head and not name.startswith(f"{head}."):
        return row
    return (f"{prefix}{number}{name[len(head) :]}", *row[1:])
