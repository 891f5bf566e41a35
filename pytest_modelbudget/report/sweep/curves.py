"""The cost of a sweep over batch and over size, on log axes: a line's slope is the exponent it grows with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ...grids.cell import Cell
from ...grids.cells import Sweep
from ...text.line import shown
from ...values.device import Device
from ...values.metrics import metric_names, show
from ...values.point import axis_names, find_axis
from ..parts.picture import RED, frame, metric_ticks
from .growth_text import growth_text
from .panel import MARKERS, Panel, named_device, place, samples_per_second, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NEAR = 4
"""How many times higher than what is drawn the memory of a device may be, and is drawn, too."""


def curves(sweep: Sweep) -> list[Panel]:
    """A panel for each headline metric that grows with a size, or else for the first, over each axis that varies.

    With a named device, one more shows its predicted samples per second over the batch.
    """
    growing = metric_names(headline=True, grows=True)
    metrics = [metric for metric in sweep.metrics if metric in growing] or list(sweep.metrics[:1])
    names = [name for name in sweep.sizes if len({place(cell, name) for cell in sweep if not cell.refused}) > 1]
    speeds = [_speed(sweep)] if "latency" in sweep.metrics and "batch" in names else []
    return [*(_curve(sweep, metric, name) for metric in metrics for name in names), *speeds]


def _curve(sweep: Sweep, metric: str, name: str) -> Panel:
    def draw(axes: Axes) -> None:
        series = _series(sweep, lambda cell: cell.values.get(metric), name)
        _lines(axes, series, name, {label: growth_text(points, metric, name) for label, points in series.items()})
        axes.set_yscale("log")
        device = named_device(sweep) if metric == "memory" else None
        if device is not None:
            _device_line(axes, device)
        metric_ticks(axes.yaxis, metric)
        axes.set_ylabel(title(metric))
        axes.set_title(f"{title(metric)} over {find_axis(name).title.split(' (')[0]}, on log axes")
        axes.legend(frameon=False, fontsize=8)

    return draw


def _speed(sweep: Sweep) -> Panel:
    def draw(axes: Axes) -> None:
        series = _series(sweep, samples_per_second, "batch")
        most = {label: max(y for _, y in points) for label, points in series.items()}
        _lines(axes, series, "batch", {label: f"up to {speed:,} samples/s" for label, speed in most.items()})
        device = named_device(sweep)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 10 else f"{value:.3g}")
        axes.set_ylabel("samples per second")
        axes.set_title(f"Predicted samples per second{f' on {device.name}' if device is not None else ''}, an estimate")
        axes.legend(frameon=False, fontsize=8)

    return draw


def _lines(axes: Axes, series: Mapping[str, Sequence[tuple[int, int]]], name: str, said: Mapping[str, str]) -> None:
    """A line for each of ``series`` over an axis, named in the legend with what is ``said`` of it."""
    for number, (label, points) in enumerate(series.items()):
        xs, ys = [x for x, _ in points], [y for _, y in points]
        marker = MARKERS[number % len(MARKERS)]
        text = f"{label}: {said[label]}"
        axes.plot(xs, ys, marker=marker, markersize=4, linewidth=1.6, color=f"C{number}", label=text)
    axes.set_xscale("log", base=2)
    _ticks(axes, sorted({x for points in series.values() for x, _ in points}))
    axes.set_xlabel(find_axis(name).title)
    frame(axes)


def _device_line(axes: Axes, device: Device) -> None:
    """The memory of the named device across a panel, if it is near what is drawn."""
    low, high = axes.get_ylim()
    if device.memory and low <= device.memory <= high * _NEAR:
        text = f"memory of {device.name}, {show(device.memory, 'memory')}"
        axes.axhline(device.memory, color=RED, linewidth=1.2, linestyle="--", label=text)


def _series(sweep: Sweep, value: Callable[[Cell], int | None], name: str) -> dict[str, list[tuple[int, int]]]:
    """Points of each model, dtype and mode, over one axis, where the other axes are at their first value."""
    found: dict[str, dict[int, int]] = {}
    first: dict[str, tuple[int, ...]] = {}
    several = [other for other in axis_names(several=True) if len({getattr(cell.point, other) for cell in sweep}) > 1]
    for cell in sweep:
        known = value(cell)
        if cell.refused or known is None:
            continue
        more = [str(getattr(cell.point, other)) for other in several]
        label = " ".join([shown(cell.target, 40), *more])
        others = tuple(place(cell, other) for other in sweep.sizes if other != name)
        if first.setdefault(label, others) == others:
            found.setdefault(label, {})[place(cell, name)] = known
    held = [size for size in sweep.sizes if size != name]
    return {_at(label, first[label], held): sorted(points.items()) for label, points in found.items()}


def _at(label: str, others: tuple[int, ...], names: Sequence[str]) -> str:
    """A label with where the other axes are."""
    held = [f"{name} {value}" for name, value in zip(names, others, strict=True) if value]
    return f"{label} at {', '.join(held)}" if held else label


def _ticks(axes: Axes, values: Sequence[int]) -> None:
    """Ticks where points are, as many as there is room for, and three at least."""
    shown_at: list[int] = []
    span = math.log(values[-1] / values[0]) or 1
    for value in values:
        if not shown_at or math.log(value / shown_at[-1]) > 0.07 * span:
            shown_at.append(value)
    if len(shown_at) < 3:
        shown_at = sorted({*shown_at, round(math.sqrt(values[0] * values[-1]))})
    while len(shown_at) < 3:
        shown_at.append(2 * shown_at[-1])
        axes.set_xlim(right=shown_at[-1])
    axes.set_xticks(shown_at, [str(value) for value in shown_at])
    axes.minorticks_off()
