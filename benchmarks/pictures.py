"""Results as pictures: error, time, and growth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from .render import OURS


def draw(results: dict[str, Any], folder: Path) -> None:
    """Write the pictures of the parts that were measured."""
    if "comparison" in results:
        rows = results["comparison"]["rows"]
        _bars(
            rows,
            _error,
            "distance from the truth, % (none is no bar)",
            folder / "error.png",
            scale="symlog",
            title="Multiply-adds: how far from those by hand",
        )
        _bars(
            rows,
            lambda row: _times(rows, row),
            f"multiple of {OURS}'s",
            folder / "time.png",
            scale="log",
            title="Time to count, warm, at batch 1",
        )
    if "growth" in results:
        _growth(results["growth"]["rows"], folder / "growth.png")


def _error(row: dict[str, Any]) -> float:
    return 100 * row["difference"] if row.get("difference") is not None else float("nan")


def _times(rows: list[dict[str, Any]], row: dict[str, Any]) -> float:
    ours = next(r for r in rows if (r["model"], r["counter"]) == (row["model"], OURS))["counted_seconds"]
    return row["counted_seconds"] / ours if ours and row["counted_seconds"] else float("nan")


def _bars(rows: list[dict[str, Any]], value: Any, label: str, file: Path, *, scale: str, title: str) -> None:
    models = list(dict.fromkeys(row["model"] for row in rows))
    counters = list(dict.fromkeys(row["counter"] for row in rows))
    figure, axes = plt.subplots(figsize=(12, 4.5), layout="constrained")
    for i, counter in enumerate(counters):
        heights = [value(row) for row in rows if row["counter"] == counter]
        axes.bar(np.arange(len(models)) + 0.1 * (i - len(counters) / 2), heights, 0.1, label=counter)
    axes.set_xticks(range(len(models)), models)
    axes.set_yscale(scale)
    axes.set_ylabel(label)
    axes.set_title(title)
    axes.margins(y=0.3)  # room for the legend
    axes.legend(ncols=4, fontsize="small")
    figure.savefig(file, dpi=110)
    plt.close(figure)


def _growth(rows: list[dict[str, Any]], file: Path) -> None:
    figure, all_axes = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
    titles = (("batch", "batch (samples), at 224 pixels"), ("res", "resolution (pixels on a side), at batch 1"))
    for axes, (axis, label) in zip(all_axes, titles, strict=True):
        for counter in dict.fromkeys(row["counter"] for row in rows):
            mine = [r for r in rows if (r["axis"], r["counter"]) == (axis, counter) and "counted" in r]
            axes.plot(
                [r["value"] for r in mine], [r["counted"] / mine[0]["counted"] for r in mine], "o-", label=counter
            )
        axes.set(xscale="log", yscale="log", xlabel=label, ylabel="time to count, as a multiple of the first")
        axes.set_xticks(values := sorted({r["value"] for r in rows if r["axis"] == axis}), map(str, values))
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    figure.suptitle("ResNet-50: how the time to count grows")
    all_axes[0].legend(fontsize="small")
    figure.savefig(file, dpi=110)
    plt.close(figure)
