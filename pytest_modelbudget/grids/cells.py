"""What a sweep gives: its cells, found by where they are, and as rows, a data frame, plain data and text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..values.frozen import freeze
from ..values.kinds import Resolution
from ..values.metrics import find_metric
from ..values.point import Axis, OperatingPoint, axes, axis_names
from .axes import one_value
from .cell import Cell, batches_that_pay
from .sweep_table import sweep_table

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Sweep:
    """The cells of a grid, in the order of its axes; ``metrics`` are those counted, ``counts`` how often that was.

    ``extras`` are more columns by name, with a value (or ``None``) for each cell.
    """

    cells: tuple[Cell, ...]
    metrics: tuple[str, ...]
    convention: str
    counts: int = 0
    extras: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing in a sweep changes."""
        freeze(self, "extras")

    def __iter__(self) -> Iterator[Cell]:
        """The cells."""
        return iter(self.cells)

    def __len__(self) -> int:
        """The number of cells."""
        return len(self.cells)

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the models, in order."""
        return tuple(dict.fromkeys(cell.target for cell in self.cells))

    @property
    def sizes(self) -> tuple[str, ...]:
        """The names of all axes with an order, the dimensions of one's own among them."""
        return axis_names(*(cell.point for cell in self.cells), ordered=True)

    def at(self, **where: Any) -> Cell:
        """The one cell at ``batch=``, ``res=``, ``seq=``, ``dtype=``, ``mode=``, ``target=``, a dimension by its name.

        Raises `UsageError` if there is none, or if there are several.
        """
        target = where.pop("target", None)
        wanted = {name: one_value(name, value) for name, value in where.items()}
        found = [
            cell
            for cell in self.cells
            if target in (None, cell.target) and all(cell.point.value(n) == v for n, v in wanted.items())
        ]
        if len(found) != 1:
            said = ", ".join(f"{name}={value!r}" for name, value in where.items())
            raise UsageError(f"The sweep has {len(found)} points at {said or 'no condition'}, not one.")
        return found[0]

    def with_column(self, name: str, values: Iterable[Any]) -> Sweep:
        """The same sweep with one more column, a value for each cell."""
        column = tuple(values)
        if len(column) != len(self.cells):
            raise UsageError(f"The column {name!r} has {len(column)} values for {len(self.cells)} points.")
        return Sweep(self.cells, self.metrics, self.convention, self.counts, {**self.extras, name: column})

    def batches_that_pay(self) -> dict[tuple[str, OperatingPoint], int]:
        """`cell.batches_that_pay` of the cells."""
        return batches_that_pay(self.cells)

    def rows(self) -> list[dict[str, Any]]:
        """A flat row for each cell: the point, each metric in total and per sample, the extras, ``refused``."""
        found, axes_there = [], axes(*(cell.point for cell in self.cells))
        for number, cell in enumerate(self.cells):
            row: dict[str, Any] = {"target": cell.target, **_flat(cell.point, axes_there)}
            for metric in self.metrics:
                row[metric] = cell.values.get(metric)
                if find_metric(metric).per_sample:
                    row[f"{metric}_per_sample"] = cell.per_sample(metric)
            row.update((name, column[number]) for name, column in self.extras.items())
            found.append({**row, "uncounted": " ".join(cell.uncounted), "refused": cell.refused})
        return found

    def to_pandas(self) -> DataFrame:
        """`rows` as a pandas DataFrame; counts keep whole (``Int64``). Raises `UsageError` without pandas."""
        try:
            import pandas
        except ImportError as error:
            raise UsageError("Sweep.to_pandas() needs pandas: pip install pandas") from error
        frame = pandas.DataFrame(self.rows())
        whole = ("height", "width", *self.sizes, *self.metrics)
        return frame.astype({name: "Int64" for name in whole if name in frame})

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        cells = []
        for number, cell in enumerate(self.cells):
            data = {**vars(cell), "point": cell.point.to_dict(), "values": dict(cell.values)}
            del data["accuracies"]
            data["uncounted"] = list(cell.uncounted)
            data["per_sample"] = {
                m: cell.per_sample(m) for m in self.metrics if find_metric(m).per_sample and m in cell.values
            }
            data.update((name, column[number]) for name, column in self.extras.items())
            cells.append(data)
        return {
            "format": "modelbudget-sweep",
            "schema": 1,
            "convention": self.convention,
            "metrics": list(self.metrics),
            "counts": self.counts,
            "cells": cells,
        }

    def table(self) -> str:
        """The cells as text."""
        return sweep_table(self.cells, self.metrics, self.convention, self.extras)


def _flat(point: OperatingPoint, axes_there: Iterable[Axis]) -> dict[str, Any]:
    """The axes that a sweep may vary, a column each; the sides of a picture are two."""
    row: dict[str, Any] = {}
    for axis in axes_there:
        if isinstance(axis.kind, Resolution):
            row["height"], row["width"] = point.value(axis.name) or (None, None)
        elif axis.ordered or axis.several:
            row[axis.name] = point.value(axis.name)
    return row
