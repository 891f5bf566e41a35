"""Rows of modules that repeat with a number in their name, as the layers of a network do, written once as a loop.

A loop is ``{"from": 0, "to": 23, "rows": [...]}``: its rows stand there for each number, up or down, with the number in
the place of ``*`` in their names, and of the attribute of the row that has no more than it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields
from typing import Any

from ...text.checks import Wrong, a_count, a_list, a_record, an_object
from ...text.json import Place

Row = dict[str, Any]

_LEAST = 4
"""Repetitions that are worth a loop: fewer are easier to read as they are."""

_MOST = 100_000
"""Rows that loops may come to: more are no model."""

_ATTRIBUTE = "attribute"
"""The field that has the last part of a name once more."""

_FIELDS = ("from", "to", "rows")


def folded(rows: Sequence[Row], key: str = "name") -> list[Row]:
    """The rows, with loops where rows repeat. ``key`` is the field with the module's name."""
    found: list[Row] = []
    start = 0
    while start < len(rows):
        loop = _loop_at(rows, start, key)
        if loop is None:
            found.append(rows[start])
            start += 1
        else:
            found.append(loop)
            start += len(loop["rows"]) * (abs(loop["to"] - loop["from"]) + 1)
    return found


def without_defaults(rows: Sequence[Row], kind: type) -> list[Row]:
    """Rows of the values ``kind`` without the fields that say what they say by themselves: 0, or an empty text."""
    usual = defaults(kind)
    return [{name: value for name, value in row.items() if name not in usual or value != usual[name]} for row in rows]


def defaults(kind: type) -> Row:
    """The fields of a value that may be left out, with what they are then."""
    return {one.name: one.default for one in fields(kind) if one.default is not MISSING}


def unfolded(tree: Any, place: Place, key: str = "name") -> tuple[list[Any], list[Place]]:
    """The rows that `folded` was given, unchecked, and where each of them stands. Raises `Wrong` for other loops."""
    rows: list[Any] = []
    places: list[Place] = []
    for number, item in enumerate(a_list(tree, place)):
        here = (*place, number)
        if not isinstance(item, dict) or "rows" not in item or key in item:
            rows.append(item)
            places.append(here)
            continue
        loop = a_record(item, here, _FIELDS)
        begin, end = (a_count(loop[name], (*here, name)) for name in _FIELDS[:2])
        inner = a_list(loop["rows"], (*here, "rows"))
        if len(rows) + len(inner) * (abs(end - begin) + 1) > _MOST:
            raise Wrong(f"a loop of more than {_MOST} rows", here)
        for value in range(begin, end + (1 if end >= begin else -1), 1 if end >= begin else -1):
            for position, row in enumerate(inner):
                inside = (*here, "rows", position)
                name = an_object(row, inside).get(key)
                rows.append(_numbered(row, key, str(value)) if isinstance(name, str) else row)
                places.append(inside)
    return rows, places


def _numbered(row: Row, key: str, number: str) -> Row:
    numbered = {**row, key: row[key].replace("*", number)}
    return {**numbered, _ATTRIBUTE: number} if row.get(_ATTRIBUTE) == "*" else numbered


def _loop_at(rows: Sequence[Row], start: int, key: str) -> Row | None:
    """The loop that begins at a row, over the number in its name that gives the most repetitions."""
    best: Row | None = None
    covered = 0
    for prefix, value in _numbers(rows[start][key]):
        for step in (1, -1):
            period = _period(rows, start, key, prefix, value, step)
            if not period or any("*" in row[key] or row.get(_ATTRIBUTE) == "*" for row in rows[start : start + period]):
                continue
            times = _times(rows, start, key, prefix, value, step, period)
            if times >= _LEAST and times * period > covered:
                covered = times * period
                block = [_named(row, key, prefix, value, "*") for row in rows[start : start + period]]
                best = {"from": value, "to": value + step * (times - 1), "rows": block}
    return best


def _numbers(name: str) -> Iterator[tuple[str, int]]:
    """Each part of a name that is a number, with all before it."""
    parts = name.split(".")
    for place, part in enumerate(parts):
        if part.isascii() and part.isdecimal() and str(int(part)) == part:
            yield "".join(f"{one}." for one in parts[:place]), int(part)


def _period(rows: Sequence[Row], start: int, key: str, prefix: str, value: int, step: int) -> int:
    """After how many rows the first one comes again with the next number; 0 if it does not."""
    wanted = _named(rows[start], key, prefix, value, str(value + step))
    if value + step < 0:
        return 0
    for later in range(start + 1, len(rows)):
        if rows[later] == wanted:
            return later - start
        if not rows[later][key].startswith(prefix):
            return 0
    return 0


def _times(rows: Sequence[Row], start: int, key: str, prefix: str, value: int, step: int, period: int) -> int:
    block, times = rows[start : start + period], 1
    while value + step * times >= 0:
        begin = start + times * period
        wanted = [_named(row, key, prefix, value, str(value + step * times)) for row in block]
        if list(rows[begin : begin + period]) != wanted:
            break
        times += 1
    return times


def _named(row: Row, key: str, prefix: str, value: int, number: str) -> Row:
    """A row with another number in its name, if it has that one there."""
    head = f"{prefix}{value}"
    name = row[key]
    if name != head and not name.startswith(f"{head}."):
        return row
    renamed = {**row, key: f"{prefix}{number}{name.removeprefix(head)}"}
    return {**renamed, _ATTRIBUTE: number} if row.get(_ATTRIBUTE) == str(value) and name == head else renamed
