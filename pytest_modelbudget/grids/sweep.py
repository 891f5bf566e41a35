"""A grid of operating points, and what one or several models cost at each: `measure`'s answers, in fewer counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from ..errors import ModelError, UsageError
from ..targets.find import named_targets
from ..targets.found import FoundTarget
from ..text.units import per_second
from ..values.aliases import named_metric
from ..values.arguments import GridArguments, explicit
from ..values.metrics import find_metric, metric_names
from ..values.parameters import parameters_of
from ..values.point import OperatingPoint, axes, axis_names, dimensions, is_dimension
from ..values.request import Request, without_unset
from .axes import MOST, axis_values
from .cell import SPEED, Cell
from .cells import Sweep
from .grid import Counted, Grid, Progress, count_all

if TYPE_CHECKING:
    from typing_extensions import Unpack


@explicit(GridArguments)
def sweep(
    target: Any,
    *,
    args: Mapping[str, Any] | None = None,
    metrics: Iterable[str] | str | None = None,
    exact: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
    **arguments: Unpack[GridArguments],
) -> Sweep:
    """What models cost at every point of a grid. Each cell is what `measure` gives there, to the digit.

    ``target`` is what `measure` takes, a list of these, or a mapping from names to them; ``args`` are for each. An axis
    is one value, a list, or text: ``"1,2,4"``, ``"128:512:32"`` (with its end). ``metrics`` are all but memory if left
    out: with ``"memory"``, as with ``exact``, every point is counted. With the ``device`` of a card they are all there
    are; the predicted time of a step is always with them. Other keywords are `measure`'s.
    ``jobs`` processes count at the same time; they need targets that can be pickled.

    Raises `UsageError` for arguments that cannot be meant, `TargetError` when a factory fails, `ModelError` when no
    point of the grid is accepted by any model.
    """
    given = without_unset(arguments)
    grid = {axis.name: axis_values(axis.name, given.pop(axis.name, axis.default)) for axis in axes() if axis.swept}
    own = dimensions(given.pop("dims", {}))
    grid.update((name, axis_values(name, value)) for name, value in own.items())
    by_ranks = [  # each has to go with the mesh
        {mode: _request(with_ranks, mode, grid["mode"]) for mode in grid["mode"]}
        for with_ranks in ({**given, "ranks": ranks} if ranks is not None else given for ranks in grid["ranks"])
    ]
    by_mode = by_ranks[0]
    first = next(iter(by_mode.values()))
    timed = first.card is not None
    chosen = _metrics(metrics, timed=timed)
    targets = named_targets(target, args)
    number = prod(map(len, grid.values())) * len(targets)
    if number > MOST:
        raise UsageError(f"The grid has {number} points. At most {MOST} are counted.")
    points = {name: _points(grid, model, by_mode) for name, model in targets.items()}
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise UsageError(f"jobs={jobs!r} is not a whole number above zero.")
    grids = []
    for name, model in targets.items():
        lines = (
            not exact
            and first.point.world is None
            and set(chosen) <= set(metric_names(line=True))
            and _lines_are_possible(model.model, first)
        )
        for group in _groups(points[name]):
            usual = model.usual(_said(by_mode[group[0].mode], group[0]))
            request = replace(by_mode[group[0].mode], **{key: usual[key] for key in ("inputs",) if key in usual})
            grids.append(Grid(name, model, group, request, lines=lines))
    counts = count_all(grids, jobs, progress)
    found = {(grid.target, p): _cell(grid.target, p, c, chosen) for grid in grids for p, c in grid.known.items()}
    cells = tuple(found[name, point] for name in targets for point in points[name])
    if all(cell.refused for cell in cells):
        raise ModelError(f"No point of the grid is accepted: {cells[0].point}: {cells[0].refused}")
    metrics_there = tuple(metric for metric in chosen if any(metric in cell.values for cell in cells))
    found_all = Sweep(cells, metrics_there, first.convention, counts)
    if "latency" not in metrics_there:
        return found_all
    return found_all.with_column(SPEED, map(_samples_per_second, cells))


def _request(given: Mapping[str, Any], mode: str, modes: Sequence[str]) -> Request:
    """What to measure in one mode: beside training, inference is counted without what is for training."""
    for_training = (*axis_names(training=True), "loss") if mode != "train" and "train" in modes else ()
    return Request.of(**{name: value for name, value in given.items() if name not in for_training}, mode=mode)


def _cell(target: str, point: OperatingPoint, counted: Counted, metrics: Iterable[str]) -> Cell:
    values = {metric: counted.values[metric] for metric in metrics if metric in counted.values}
    known = {metric: accuracy for metric, accuracy in counted.accuracies.items() if metric in values}
    return Cell(target, point, values, counted.refused, counted.executed, counted.uncounted, known)


def _samples_per_second(cell: Cell) -> float | None:
    """As many digits as are shown everywhere."""
    nanoseconds = cell.values.get("latency")
    if not nanoseconds:
        return None
    text = per_second((cell.point.batch or 1) * 1e9 / nanoseconds)
    return int(text) if text.isdecimal() else float(text)


def _metrics(metrics: Iterable[str] | str | None, *, timed: bool) -> tuple[str, ...]:
    known = tuple(name for name in metric_names() if timed or not find_metric(name).estimate)
    if metrics is None:
        return metric_names(on_request=False) if timed else metric_names(line=True)
    chosen = [name.strip() for name in metrics.split(",")] if isinstance(metrics, str) else list(metrics)
    if not chosen:
        raise UsageError(f"metrics= is empty: there is nothing to count. Allowed: {', '.join(known)}.")
    names = {named_metric(name, known) for name in chosen}
    return tuple(metric for metric in known if metric in names or metric == "latency")


def _said(request: Request, point: OperatingPoint) -> dict[str, Any]:
    """What is given of a measurement, for what a model's zoo gives in its place."""
    sizes = {axis.name: value for axis, value in point.given() if axis.ordered or axis.name == "method"}
    return {**sizes, "inputs": request.inputs, "loader": request.loader}


def _points(
    grid: Mapping[str, tuple[Any, ...]], model: FoundTarget, by_mode: Mapping[str, Request]
) -> list[OperatingPoint]:
    """The points for a model: the sizes that its zoo gives it stand in for those that are left out."""
    given, first = dict(grid), next(iter(by_mode.values()))
    swept = {name: values for name, values in given.items() if values != (None,)}
    usual = model.usual({**_said(first, first.point), **swept})
    given.update((name, axis_values(name, value)) for name, value in usual.items() if name in given)
    slowest_first = [
        *reversed([name for name in axis_names() if name in given]),
        *(n for n in given if is_dimension(n)),
    ]
    found = []
    for values in product(*(given[name] for name in slowest_first)):
        at = dict(zip(slowest_first, values, strict=True))
        found.append(by_mode[at["mode"]].point.at(**at).with_batch_if_needed())
    return found


def _lines_are_possible(model: Any, request: Request) -> bool:
    """Whether nothing that we cannot watch, a factory or a maker of inputs, is given the batch."""
    if callable(request.inputs) and not hasattr(request.inputs, "shape"):
        return False
    if request.counter != "aten" or request.loader is not None:
        return False
    if hasattr(model, "named_modules"):
        return True
    parameters = parameters_of(model) or ()
    return not any(p.name == "batch" and p.default is p.empty for p in parameters)


def _groups(points: Sequence[OperatingPoint]) -> list[list[OperatingPoint]]:
    """Points that differ in the ordered axes alone."""
    groups: dict[Any, list[OperatingPoint]] = {}
    for point in points:
        key = tuple(getattr(point, name) for name in axis_names(ordered=False))
        groups.setdefault(key, []).append(point)
    return list(groups.values())
