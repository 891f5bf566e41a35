"""Numbers of many rows, by column: a list of each, and none where each row has what goes without saying."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .checks import Wrong, a_list, a_record
from .json import Place


def columns_of(rows: Sequence[Mapping[str, Any]], usual: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The columns of rows. ``usual`` has their names, and the value that goes without saying."""
    columns = {name: [row[name] for row in rows] for name in usual}
    return {name: column for name, column in columns.items() if any(value != usual[name] for value in column)}


def read_columns(
    tree: Any, place: Place, usual: Mapping[str, Any], many: int, check: Callable[[str, Any, Place], object]
) -> list[dict[str, Any]]:
    """The ``many`` rows whose columns `columns_of` gave. ``check`` is given each column's name, and each value.

    Raises `Wrong`.
    """
    data = a_record(tree, place, (), usual)
    for name, column in data.items():
        here = (*place, name)
        if len(a_list(column, here)) != many:
            raise Wrong(f"{len(column)} numbers for {many} rows", here)
        for number, value in enumerate(column):
            check(name, value, (*here, number))
        if all(value == usual[name] for value in column):
            raise Wrong("what nothing has, and is left out", here)
    return [{name: data[name][row] if name in data else usual[name] for name in usual} for row in range(many)]
