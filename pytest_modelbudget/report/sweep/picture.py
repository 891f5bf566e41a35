"""The picture of a sweep: the panels that it has something for."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import UsageError
from ...grids.cells import Sweep
from ...text.line import shown
from ...values.metrics import find_metric
from ...values.point import axes as axes_of_points
from ...values.point import find_axis
from ...values.request import CONVENTIONS
from ..parts.picture import write_picture
from .accuracy import Accuracy
from .curves import curves
from .memory_map import memory_maps
from .pareto import pareto

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMED = 4
"""Models that a heading names; of others it says how many there are."""


def sweep_plot(sweep: Sweep, path: Path, accuracy: Accuracy | None = None) -> None:
    """Draw a sweep into a file. Raises `UsageError` where there is nothing to draw, or it cannot be written."""
    write_picture(path, lambda: sweep_figure(sweep, accuracy or {}))


def sweep_figure(sweep: Sweep, accuracy: Accuracy) -> Figure:
    """The picture of `sweep_plot`, in the style of the moment. Raises `UsageError` where there is nothing to draw."""
    from matplotlib.figure import Figure

    panels = [*curves(sweep), *memory_maps(sweep), *pareto(sweep, accuracy)]
    if not panels:
        raise UsageError("--plot: one point is no picture. Give several batches, resolutions or models.")
    columns = 1 if len(panels) == 1 else 2
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(6.2 * columns, 4.4 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    places = [axes for row in grid for axes in row]
    for axes, draw in zip(places, panels, strict=False):
        draw(axes)
    for axes in places[len(panels) :]:
        axes.set_axis_off()
    figure.suptitle(_heading(sweep), fontsize=11)
    return figure


def _heading(sweep: Sweep) -> str:
    """The models and what all points have in common, so that the picture says by itself what it is of."""
    several = [axis.name for axis in axes_of_points() if len({getattr(cell.point, axis.name) for cell in sweep}) > 1]
    point = replace(sweep.cells[0].point, **{name: find_axis(name).default for name in several})
    names = [shown(name, 60) for name in sweep.targets[:_NAMED]]
    more = [f"{len(sweep.targets) - _NAMED} more"] if len(sweep.targets) > _NAMED else []
    counted = any(find_metric(metric).by_convention for metric in sweep.metrics)
    return f"{', '.join([*names, *more])}: {point}" + (f"\n{CONVENTIONS[sweep.convention]}" if counted else "")
