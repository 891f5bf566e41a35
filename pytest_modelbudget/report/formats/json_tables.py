"""Rows of one kind as tables: the names of the columns once, and what is equal once.

What rows say falls into three. Their names, and which of them are alike, are a *list*: ``["layer1.conv1", 4, 2]`` is a
name, and the numbers of two rows that say the rest. *What* they are is the same at every operating point: a table for
all lists of the report, a line a row. What they *cost* stands beside each use of a list, a line a metric. So entries
that measure one model at many points share its list, and each adds what differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from operator import itemgetter
from typing import Any

from ...text.checks import Wrong, a_count, a_list, a_record, one_of
from ...text.columns import columns_of, read_columns
from ...text.json import Place
from ...values.rows import DEEPEST
from .json_checks import any_text, check, shape
from .json_loops import MOST, folded, unfolded

Row = tuple[Any, ...]

_ALL = 3_000_000
"""Rows that all lists of one kind may come to, which loops of a small file could make any number of."""


@dataclass(frozen=True)
class Columns:
    """The columns that rows may have, with their types, and what goes without saying in some of them."""

    types: Mapping[str, Any]
    usual: Mapping[str, Any]

    @classmethod
    def of(cls, kind: type, **changed: Any) -> Columns:
        """The fields of a value, but for some that are of another type, and ``None`` where they are left out."""
        usual = {}
        for field in fields(kind):
            if field.default is not MISSING:
                usual[field.name] = field.default
            elif field.default_factory is not MISSING:
                usual[field.name] = field.default_factory()
        return cls({**shape(kind), **changed}, {**usual, **dict.fromkeys(changed)})

    def only(self, names: Iterable[str]) -> Columns:
        """Some of the columns."""
        return Columns({name: self.types[name] for name in names}, self.usual)

    def table(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Rows that have all columns as plain data, without columns in which each has what goes without saying."""
        names = [*self.types]
        kept = [n for n, name in enumerate(names) if any(row[n] != self.usual.get(name, ...) for row in rows)]
        return {"columns": [names[n] for n in kept], "rows": [[row[n] for n in kept] for row in rows]}

    def read(self, tree: Any, place: Place) -> list[dict[str, Any]]:
        """The rows that `table` was given. Raises `Wrong`."""
        data = a_record(tree, place, ("columns", "rows"))
        at, here = (*place, "columns"), (*place, "rows")
        names = [one_of(name, (*at, n), self.types) for n, name in enumerate(a_list(data["columns"], at))]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise Wrong("a second column of this name", (*at, number))
        rows = [self._row(row, (*here, n), names) for n, row in enumerate(a_list(data["rows"], here))]
        left_out = [name for name in self.types if name not in names]
        for name in left_out:
            if name not in self.usual and rows:
                raise Wrong(f"the column {name!r} is missing", at)
        return [{**{name: self.usual[name] for name in left_out}, **row} for row in rows]

    def _row(self, tree: Any, place: Place, names: Sequence[str]) -> dict[str, Any]:
        row = a_list(tree, place)
        if len(row) != len(names):
            raise Wrong(f"{len(row)} values for {len(names)} columns", place)
        for number, (name, value) in enumerate(zip(names, row, strict=True)):
            check(value, self.types[name], (*place, number))
        return dict(zip(names, row, strict=True))


class Pool:
    """Rows that have numbers, equal ones the same."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._numbers: dict[Row, int] = {}

    def number(self, row: Row) -> int:
        """The number of a row, a new one if it is not there yet."""
        key = tuple(tuple(value.items()) if isinstance(value, dict) else value for value in row)
        number = self._numbers.setdefault(key, len(self.rows))
        if number == len(self.rows):
            self.rows.append(row)
        return number


def a_number(value: Any, place: Place, many: int) -> int:
    """The number of one of ``many`` rows. Raises `Wrong`."""
    number = a_count(value, place)
    if number >= many:
        raise Wrong(f"{number}, but there are {many} of them, counted from 0", place)
    return number


class Kind:
    """A kind of rows: the field with a row's name, what says what it is, and what it costs.

    ``unique``: each row is of a module of its own. ``costs`` are numbers; of what may be ``None``, that goes without
    saying, else 0.
    """

    def __init__(self, key: str, columns: Columns, costs: Sequence[str], *, unique: bool = True) -> None:
        self.key = key
        self.unique = unique
        self.what = columns.only(name for name in columns.types if name not in (key, *costs))
        self.costs = Columns(columns.only(costs).types, {name: columns.usual.get(name, 0) for name in costs})


class Writer:
    """Writes the rows of one kind of a whole report."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._what = Pool()
        self._lists = Pool()

    def write(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """What stands in the place of rows: the number of their list, and what they cost."""
        what, cost = itemgetter(*self._kind.what.types), itemgetter(*self._kind.costs.types)
        costs, number = Pool(), self._what.number
        names = tuple((row[self._kind.key], number(what(row)), costs.number(cost(row))) for row in rows)
        named = [dict(zip(self._kind.costs.types, row, strict=True)) for row in costs.rows]
        return {"list": self._lists.number(names), "costs": columns_of(named, self._kind.costs.usual)}

    def shared(self) -> dict[str, Any]:
        """What all of these have in common."""
        return {"what": self._kind.what.table(self._what.rows), "lists": [folded(rows) for rows in self._lists.rows]}


class Reader:
    """Reads what a `Writer` wrote, of `Writer.shared`. Raises `Wrong`."""

    def __init__(self, kind: Kind, tree: Any, place: Place) -> None:
        self._kind = kind
        data = a_record(tree, place, ("what", "lists"))
        self._what = kind.what.read(data["what"], (*place, "what"))
        at = (*place, "lists")
        self._lists: list[list[tuple[str, int, int]]] = []
        many = 0
        for number, one in enumerate(a_list(data["lists"], at)):
            self._lists.append(self._list(one, (*at, number)))
            many += len(self._lists[-1])
            if many > _ALL:
                raise Wrong(f"more than {_ALL} rows in the lists up to this one", (*at, number))

    def _list(self, tree: Any, place: Place) -> list[tuple[str, int, int]]:
        found = []
        seen = set()
        for row, here in unfolded(tree, place):
            if len(row) != 3:
                raise Wrong(f"{len(row)} values, where a name and two numbers belong", here)
            name = any_text(row[0], (*here, 0))
            if self._kind.unique and name in seen:
                raise Wrong("a second row for this module", (*here, 0))
            if self._kind.unique and name.count(".") > DEEPEST:
                raise Wrong(f"more than {DEEPEST} modules within one another", (*here, 0))
            seen.add(name)
            found.append((name, a_number(row[1], (*here, 1), len(self._what)), a_number(row[2], (*here, 2), MOST)))
        return found

    def read(self, tree: Any, place: Place) -> list[dict[str, Any]]:
        """The rows that `Writer.write` was given."""
        data = a_record(tree, place, ("list", "costs"))
        rows = self._lists[a_number(data["list"], (*place, "list"), len(self._lists))]
        many = max((cost for _, _, cost in rows), default=-1) + 1
        types, usual = self._kind.costs.types, self._kind.costs.usual
        costs = read_columns(
            data["costs"], (*place, "costs"), usual, many, lambda name, value, here: check(value, types[name], here)
        )
        return [{self._kind.key: name, **self._what[what], **costs[cost]} for name, what, cost in rows]
