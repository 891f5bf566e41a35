"""The picture of the study of learning: what was trained and measured, beside what was predicted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from findings import Cell, cells
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")  # Okabe and Ito: told apart also without colour vision
MARKS = "osD^"


def draw(study: Any, path: Path) -> None:
    """Six panels over the batch, a line for each resolution; predictions are dashed."""
    grid = cells(study.runs, study.costs)
    figure, axes = plt.subplots(2, 3, figsize=(14, 8), layout="constrained")
    figure.suptitle("What batch and resolution do to learning (dashed: predicted)", fontsize=13)
    _lines(axes[0, 0], grid, "steps to the target accuracy", lambda cell: cell.median("steps_to_target"))
    _lines(axes[0, 1], grid, "time to the target accuracy (s)", lambda cell: cell.median("seconds_to_target"))
    _lines(axes[0, 2], grid, "test accuracy (%), mean and deviation", lambda cell: cell.test[0], log=False,
           spread=lambda cell: cell.test[1])  # fmt: skip
    _lines(axes[1, 0], grid, "time of a step (ms)", lambda cell: 1e3 * cell.measured_seconds,
           predicted=lambda cell: 1e3 * cell.predicted_seconds)  # fmt: skip
    _lines(axes[1, 1], grid, "peak memory of a step (MiB)", lambda cell: cell.cost.measured.memory / 2**20,
           predicted=lambda cell: cell.cost.memory / 2**20)  # fmt: skip
    batches, noises = list(study.noise), list(study.noise.values())
    _axes(axes[1, 2], batches, "noise of the gradient, by its length", log=True)
    axes[1, 2].plot(batches, noises, color="black", marker="o", label=f"at {study.same_rate[0].res} pixels")
    axes[1, 2].plot(batches, [noises[0] * (batch / batches[0]) ** -0.5 for batch in batches], "--", color="gray",
                    label="1 / root of the batch")  # fmt: skip
    for panel in (axes[0, 0], axes[1, 2]):
        panel.legend(frameon=False)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


Value = Callable[[Cell], float | None]


def _lines(
    axes: Axes, grid: list[Cell], label: str, value: Value, *, predicted: Value | None = None,
    spread: Value | None = None, log: bool = True,
) -> None:  # fmt: skip
    _axes(axes, sorted({cell.batch for cell in grid}), label, log=log)
    sides = sorted({cell.res for cell in grid})
    for res, colour, mark in zip(sides, COLOURS, MARKS, strict=False):
        there = [(cell, y) for cell in grid if cell.res == res if (y := value(cell)) is not None]
        xs, ys = [cell.batch for cell, _ in there], [y for _, y in there]
        errors = [spread(cell) for cell, _ in there] if spread is not None else None
        axes.errorbar(xs, ys, errors, color=colour, marker=mark, markersize=5, capsize=3, label=f"{res} pixels")
        if predicted is not None:
            axes.plot(xs, [predicted(cell) for cell, _ in there], "--", color=colour, linewidth=1)


def _axes(axes: Axes, batches: list[int], label: str, *, log: bool) -> None:
    axes.set_xscale("log", base=2)
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xticks(batches, [str(batch) for batch in batches])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("batch")
    axes.set_title(label, fontsize=11)
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
