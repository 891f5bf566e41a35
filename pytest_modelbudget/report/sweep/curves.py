"""The cost of a sweep over batch and over size, on log axes: a line's slope is the exponent it grows with."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...grids.cells import Sweep
from ...text.line import shown
from ...values.metrics import metric_names
from ...values.point import axis_names, find_axis
from ..parts.picture import frame, metric_ticks
from .panel import MARKERS, Panel, place, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def curves(sweep: Sweep) -> list[Panel]:
    """A panel for each headline metric that grows with a size, or else for the first, over each axis that varies."""
    growing = metric_names(headline=True, grows=True)
    metrics = [metric for metric in sweep.metrics if metric in growing] or list(sweep.metrics[:1])
    names = [name for name in sweep.sizes if len({place(cell, name) for cell in sweep if not cell.refused}) > 1]
    return [_curve(sweep, metric, name) for metric in metrics for name in names]


def _curve(sweep: Sweep, metric: str, name: str) -> Panel:
    def draw(axes: Axes) -> None:
        series = _series(sweep, metric, name)
        for number, (label, points) in enumerate(series.items()):
            xs, ys = [x for x, _ in points], [y for _, y in points]
            exponent = growth_exponent(points)
            grows = f"grows as {name}^{exponent:.2f}" if exponent is not None else "one point"
            marker = MARKERS[number % len(MARKERS)]
            axes.plot(xs, ys, marker=marker, markersize=4, linewidth=1.6, color=f"C{number}", label=f"{label}: {grows}")
        axes.set_xscale("log", base=2)
        _ticks(axes, sorted({x for points in series.values() for x, _ in points}))
        axes.set_yscale("log")
        metric_ticks(axes.yaxis, metric)
        axes.set_xlabel(find_axis(name).title)
        axes.set_ylabel(title(metric))
        axes.set_title(f"{title(metric)} over {find_axis(name).title.split(' (')[0]}, on log axes")
        frame(axes)
        axes.legend(frameon=False, fontsize=8)

    return draw


def _series(sweep: Sweep, metric: str, name: str) -> dict[str, list[tuple[int, int]]]:
    """Points of each model, dtype and mode, over one axis, where the other axes are at their first value."""
    found: dict[str, dict[int, int]] = {}
    first: dict[str, tuple[int, ...]] = {}
    several = [other for other in axis_names(several=True) if len({getattr(cell.point, other) for cell in sweep}) > 1]
    for cell in sweep:
        if cell.refused or metric not in cell.values:
            continue
        more = [str(getattr(cell.point, other)) for other in several]
        label = " ".join([shown(cell.target, 40), *more])
        others = tuple(place(cell, other) for other in sweep.sizes if other != name)
        if first.setdefault(label, others) == others:
            found.setdefault(label, {})[place(cell, name)] = cell.values[metric]
    held = [size for size in sweep.sizes if size != name]
    return {_at(label, first[label], held): sorted(points.items()) for label, points in found.items()}


def _at(label: str, others: tuple[int, ...], names: Sequence[str]) -> str:
    """A label with where the other axes are."""
    held = [f"{name} {value}" for name, value in zip(names, others, strict=True) if value]
    return f"{label} at {', '.join(held)}" if held else label


def growth_exponent(points: Sequence[tuple[int, int]]) -> float | None:
    """The slope of a straight line through the points on log axes, by least squares."""
    logs = [(math.log(x), math.log(y)) for x, y in points if y > 0]
    if len(logs) < 2:
        return None
    return statistics.linear_regression([x for x, _ in logs], [y for _, y in logs]).slope


def _ticks(axes: Axes, values: Sequence[int]) -> None:
    """Ticks where points are, as many as there is room for."""
    shown_at: list[int] = []
    span = math.log(values[-1] / values[0]) or 1
    for value in values:
        if not shown_at or math.log(value / shown_at[-1]) > 0.07 * span:
            shown_at.append(value)
    axes.set_xticks(shown_at, [str(value) for value in shown_at])
    axes.minorticks_off()
