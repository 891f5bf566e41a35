"""A grid of operating points, and what one or several models cost at each: `measure`'s answers, in fewer counts."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from ..errors import ModelError, UsageError, nearest
from ..values.cost import ESTIMATES, METRICS
from ..values.devices import find_device
from ..values.point import OperatingPoint, operating_point
from ..values.throughput import smallest_that_pays
from . import axes
from .grid import LINES, Counted, Grid, Progress, count_all
from .targets import FoundTarget, find_target

if TYPE_CHECKING:
    from pandas import DataFrame

PER_SAMPLE = ("flops", "macs", "activations", "memory")
"""The metrics that are worth dividing by the batch."""


@dataclass(frozen=True)
class Cell:
    """One point of a grid: what a model costs there, by metric, or why it refuses (in one line).

    ``uncounted`` are operators without a formula, so that the numbers are too low; ``executed`` is as in `Cost`.
    """

    target: str
    point: OperatingPoint
    values: Mapping[str, int] = field(default_factory=dict)
    refused: str = ""
    executed: str = "meta"
    uncounted: tuple[str, ...] = ()

    def per_sample(self, metric: str) -> int | float | None:
        """A metric divided by the batch: whole where it is, else the nearest float; ``None`` where there is none."""
        value, batch = self.values.get(metric), self.point.batch or 1
        if value is None:
            return None
        return value // batch if value % batch == 0 else value / batch


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

    def at(self, **where: Any) -> Cell:
        """The one cell at ``batch=``, ``res=``, ``seq=``, ``dtype=``, ``mode=``, ``target=``.

        Raises `UsageError` if there is none, or if there are several.
        """
        target = where.pop("target", None)
        wanted = {name: getattr(operating_point(**{name: value}), name) for name, value in where.items()}
        found = [
            cell
            for cell in self.cells
            if target in (None, cell.target) and all(getattr(cell.point, n) == v for n, v in wanted.items())
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
        """For each model and point, its batch left open, the smallest batch with 90 % of the most samples per second.

        It is an estimate, as the predicted times are; empty without a card. What the card cannot hold does not count.
        """
        speeds: dict[tuple[str, OperatingPoint], dict[int, Fraction]] = {}
        for cell in self.cells:
            batch, nanoseconds = cell.point.batch, cell.values.get("latency")
            if batch is None or not nanoseconds or cell.point.device is None:
                continue
            group = speeds.setdefault((cell.target, replace(cell.point, batch=None)), {})
            if cell.values.get("memory", 0) <= find_device(cell.point.device).memory:
                group[batch] = Fraction(batch, nanoseconds)
        found = {key: smallest_that_pays(group) for key, group in speeds.items()}
        return {key: batch for key, batch in found.items() if batch is not None}

    def rows(self) -> list[dict[str, Any]]:
        """A flat row for each cell: the point, each metric in total and per sample, the extras, ``refused``."""
        found = []
        for number, cell in enumerate(self.cells):
            row: dict[str, Any] = {"target": cell.target, **_flat(cell.point)}
            for metric in self.metrics:
                row[metric] = cell.values.get(metric)
                if metric in PER_SAMPLE:
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
        whole = ["batch", "height", "width", "seq", *self.metrics]
        return frame.astype({name: "Int64" for name in whole if name in frame})

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        cells = []
        for number, cell in enumerate(self.cells):
            data = {**vars(cell), "point": cell.point.to_dict(), "values": dict(cell.values)}
            data["uncounted"] = list(cell.uncounted)
            data["per_sample"] = {m: cell.per_sample(m) for m in self.metrics if m in PER_SAMPLE and m in cell.values}
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
        from ..report.sweep import sweep_table

        return sweep_table(self)


def _flat(point: OperatingPoint) -> dict[str, Any]:
    height, width = point.res or (None, None)
    return {
        "batch": point.batch,
        "height": height,
        "width": width,
        "seq": point.seq,
        "dtype": point.dtype,
        "mode": point.mode,
    }


def sweep(
    target: Any,
    *,
    batch: Any = None,
    res: Any = None,
    seq: Any = None,
    dtype: Any = None,
    mode: Any = "infer",
    metrics: Iterable[str] | str | None = None,
    exact: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
    **options: Any,
) -> Sweep:
    """What models cost at every point of a grid. Each cell is what `measure` gives there, to the digit.

    ``target`` is what `measure` takes, a TARGET as on the command line, a list of these, or a mapping from names to
    them. An axis is one value, a list, or text: ``"1,2,4"``, ``"128:512:32"`` (with its end). ``metrics`` are all but
    memory if left out: with ``"memory"``, as with ``exact``, every point is counted. With the ``device`` of a card they
    are all there are, and the predicted time of a step. Other keywords are `measure`'s.
    ``jobs`` processes count at the same time; they need targets that can be pickled.

    Raises `UsageError` for arguments that cannot be meant, `TargetError` when a factory fails, `ModelError` when no
    point of the grid is accepted by any model.
    """
    options = known_options(options)
    timed = "device" in options and find_device(options["device"]).has_speed
    chosen = _metrics(metrics, timed=timed)
    targets = named_targets(target)
    given = {name: axes.axis(name, value) for name, value in (("batch", batch), ("res", res), ("seq", seq))}
    given |= {name: axes.choices(name, value) for name, value in (("dtype", dtype), ("mode", mode))}
    number = prod(map(len, given.values())) * len(targets)
    if number > axes.MOST:
        raise UsageError(f"The grid has {number} points. At most {axes.MOST} are counted.")
    by_mode = {one: _options_of(one, options, given["mode"]) for one in given["mode"]}
    points = {name: _points(given, model, by_mode) for name, model in targets.items()}
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise UsageError(f"jobs={jobs!r} is not a whole number above zero.")
    grids = []
    for name, model in targets.items():
        lines = not exact and set(chosen) <= set(LINES) and _lines_are_possible(model, options)
        grids += [Grid(name, model, group, by_mode[group[0].mode], lines=lines) for group in _groups(points[name])]
    counts = count_all(grids, jobs, progress)
    found = {(grid.target, p): _cell(grid.target, p, c, chosen) for grid in grids for p, c in grid.known.items()}
    cells = tuple(found[name, point] for name in targets for point in points[name])
    if all(cell.refused for cell in cells):
        raise ModelError(f"No point of the grid is accepted: {cells[0].point}: {cells[0].refused}")
    convention = options.get("convention", "fvcore")
    metrics_there = tuple(metric for metric in chosen if any(metric in cell.values for cell in cells))
    found_all = Sweep(cells, metrics_there, convention, counts)
    if "latency" not in metrics_there:
        return found_all
    return found_all.with_column("estimated_samples_per_second", map(_samples_per_second, cells))


def known_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of `measure` that are set. Raises `UsageError` for one that it has not."""
    from ..counting.measure import measure

    allowed = list(inspect.signature(measure).parameters)[1:]
    for name in options:
        if name not in allowed:
            raise UsageError(f"{name!r} is not an argument.{nearest(name, allowed)} Allowed: {', '.join(allowed)}.")
    return {name: value for name, value in options.items() if value is not None}


def _cell(target: str, point: OperatingPoint, counted: Counted, metrics: Iterable[str]) -> Cell:
    values = {metric: counted.values[metric] for metric in metrics if metric in counted.values}
    return Cell(target, point, values, counted.refused, counted.executed, counted.uncounted)


def _samples_per_second(cell: Cell) -> float | None:
    """Four digits, as it is an estimate."""
    nanoseconds = cell.values.get("latency")
    return float(f"{(cell.point.batch or 1) * 1e9 / nanoseconds:.4g}") if nanoseconds else None


def _metrics(metrics: Iterable[str] | str | None, *, timed: bool) -> tuple[str, ...]:
    known = (*METRICS, *ESTIMATES) if timed else METRICS
    if metrics is None:
        return known if timed else LINES
    chosen = [name.strip() for name in metrics.split(",")] if isinstance(metrics, str) else list(metrics)
    for name in chosen:
        if name not in known:
            raise UsageError(f"{name!r} is not a metric.{nearest(str(name), known)} Allowed: {', '.join(known)}.")
    if not chosen:
        raise UsageError(f"metrics= is empty: there is nothing to count. Allowed: {', '.join(known)}.")
    return tuple(metric for metric in known if metric in chosen)


def named_targets(target: Any) -> dict[str, Any]:
    """Models by name: from one, a list, or a mapping; texts are TARGETs. Raises `UsageError` for none."""
    if isinstance(target, Mapping):
        found = {str(name): model for name, model in target.items()}
    else:
        several = list(target) if isinstance(target, (list, tuple)) else [target]
        found = {}
        for model in several:
            name = model if isinstance(model, str) else str(getattr(model, "__name__", type(model).__name__))
            number = sum(known.split(" #")[0] == name for known in found)
            found[f"{name} #{number + 1}" if number else name] = model
    if not found:
        raise UsageError("There is no model to count: the list of targets is empty.")
    return {name: find_target(model) if isinstance(model, str) else model for name, model in found.items()}


def _options_of(mode: str, options: Mapping[str, Any], modes: Sequence[str]) -> Mapping[str, Any]:
    """The options for one mode: beside training, inference is counted without those that are for training."""
    for_training = ("optimizer", "loss") if mode == "infer" and "train" in modes else ()
    return {name: value for name, value in options.items() if name not in for_training}


def parts_of_points(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are part of an operating point."""
    return {field.name: options[field.name] for field in fields(OperatingPoint) if field.name in options}


def _points(
    given: Mapping[str, tuple[Any, ...]], model: Any, by_mode: Mapping[str, Mapping[str, Any]]
) -> list[OperatingPoint]:
    """The points for a model: the resolution that its zoo gives it stands in for one that is left out."""
    sizes = given["res"]
    if (
        isinstance(model, FoundTarget)
        and sizes == given["seq"] == (None,)
        and "inputs" not in by_mode[given["mode"][0]]
    ):
        sizes = axes.axis("res", model.res)
    found = [
        operating_point(**{**parts_of_points(by_mode[m]), "batch": b, "res": r, "seq": s, "dtype": d, "mode": m})
        for m, d, s, r, b in product(given["mode"], given["dtype"], given["seq"], sizes, given["batch"])
    ]
    return [point if point.res is None and point.seq is None else point.with_batch_one() for point in found]


def _lines_are_possible(model: Any, options: Mapping[str, Any]) -> bool:
    """Whether nothing that we cannot watch, a factory or a maker of inputs, is given the batch."""
    inputs, factory = options.get("inputs"), model.model if isinstance(model, FoundTarget) else model
    if callable(inputs) and not hasattr(inputs, "shape"):
        return False
    if options.get("counter", "aten") != "aten":
        return False
    if hasattr(factory, "named_modules"):
        return True
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return True
    return not any(p.name == "batch" and p.default is p.empty for p in parameters)


def _groups(points: Sequence[OperatingPoint]) -> list[list[OperatingPoint]]:
    """Points that differ in batch and size alone."""
    groups: dict[Any, list[OperatingPoint]] = {}
    for point in points:
        groups.setdefault((point.dtype, point.mode), []).append(point)
    return list(groups.values())
