"""The models of a sweep against one another: accuracy, or else what a model takes, over what it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...grids.cell import Cell
from ...grids.cells import Sweep
from ...text.line import shown
from ...text.units import BYTES
from ...values.metrics import find_metric
from ..parts.picture import GREY, frame, metric_ticks
from .accuracy import Accuracy, accuracy_of
from .panel import MARKERS, Panel, place, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def pareto(sweep: Sweep, accuracy: Accuracy) -> list[Panel]:
    """A panel with a line for each model and the Pareto front of all of them, where there are several models."""
    if len(sweep.targets) < 2:
        return []
    cells = _one_batch(sweep)
    across = "flops" if "flops" in sweep.metrics else sweep.metrics[0]
    up = _takes([metric for metric in sweep.metrics if metric != across])
    if accuracy:
        points = [
            (cell, cell.values[across], value)
            for cell in cells
            if (value := accuracy_of(cell, accuracy)) is not None and across in cell.values
        ]
    else:
        points = [(c, c.values[across], float(c.values[up])) for c in cells if up and across in c.values]
    return [_panel(points, across, "" if accuracy else up)] if len(points) > 1 else []


def _takes(metrics: Sequence[str]) -> str:
    """The metric that best says what a model takes, rather than does: memory before parameters before other bytes."""
    known = [find_metric(name) for name in metrics]
    found = [one for one in known if not one.compute and (one.headline or one.unit is BYTES)]
    return max(found, key=lambda one: (one.headline, one.grows)).name if found else ""


def _one_batch(sweep: Sweep) -> list[Cell]:
    """The cells at the smallest batch each model takes."""
    least: dict[str, int] = {}
    for cell in sweep:
        if not cell.refused:
            least[cell.target] = min(least.get(cell.target, place(cell, "batch")), place(cell, "batch"))
    return [cell for cell in sweep if not cell.refused and place(cell, "batch") == least[cell.target]]


def pareto_front(points: Sequence[tuple[float, float]], *, higher: bool) -> list[tuple[float, float]]:
    """The points that no other beats: at most as far to the right, and higher (or lower)."""
    front: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda point: (point[0], -point[1] if higher else point[1])):
        if not front or (y > front[-1][1] if higher else y < front[-1][1]):
            front.append((x, y))
    return front


def _panel(points: Sequence[tuple[Cell, int, float]], across: str, up: str) -> Panel:
    def draw(axes: Axes) -> None:
        names = list(dict.fromkeys(cell.target for cell, _, _ in points))
        for number, name in enumerate(names):
            own = sorted((x, y, cell.point.show("res")) for cell, x, y in points if cell.target == name)
            axes.plot(
                [x for x, _, _ in own],
                [y for _, y, _ in own],
                marker=MARKERS[number % len(MARKERS)],
                linestyle=":",
                color=f"C{number % 10}",
                label=shown(name, 40),
                zorder=3,
            )
            for x, y, res in own:
                axes.annotate(res, (x, y), xytext=(5, -9), textcoords="offset points", fontsize=7, color="#555555")
        front = pareto_front([(x, y) for _, x, y in points], higher=not up)
        if len(front) > 1:
            xs, ys = zip(*front, strict=True)
            axes.plot(
                xs, ys, color=GREY, linewidth=5, alpha=0.6, zorder=1, drawstyle="steps-post", label="Pareto front"
            )
        axes.set_xscale("log")
        metric_ticks(axes.xaxis, across)
        if up:
            axes.set_yscale("log")
            metric_ticks(axes.yaxis, up)
        batch = points[0][0].point.batch
        axes.set_xlabel(title(across) + (f" at batch {batch}" if batch else ""))
        axes.set_ylabel(title(up) if up else "Accuracy, as given")
        axes.set_title(f"{title(up) if up else 'Accuracy'} against {title(across)}, each point a resolution")
        axes.margins(0.12)
        frame(axes)
        axes.legend(frameon=False, fontsize=8)

    return draw
