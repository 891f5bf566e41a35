"""The peak memory of a sweep as a map over batch and size, with lines where it crosses the memory of common cards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...grids.cell import Cell
from ...grids.cells import Sweep
from ...text.line import shown
from ...values.device import GIB, Device
from ...values.devices import CARDS
from ...values.metrics import show
from ...values.point import axis_names, find_axis
from ..parts.picture import RED, round_numbers
from .panel import Panel, named_device, place

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def memory_maps(sweep: Sweep) -> list[Panel]:
    """A map for each model, dtype and mode of which there are several batches and sizes, if memory was counted."""
    if "memory" not in sweep.metrics:
        return []
    found: dict[str, list[Cell]] = {}
    for cell in sweep:
        parts = [getattr(cell.point, name) for name in axis_names(several=True)]
        found.setdefault(" ".join([cell.target, *(str(part) for part in parts if part)]), []).append(cell)
    draws = []
    for label, cells in found.items():
        sizes_there = (name for name in sweep.sizes if name != "batch")
        size = next((name for name in sizes_there if any(cell.point.value(name) for cell in cells)), "")
        if not size:
            continue
        sizes = sorted({place(cell, size) for cell in cells})
        batches = sorted({place(cell, "batch") for cell in cells})
        if len(sizes) > 1 and len(batches) > 1:
            at = {(place(c, size), place(c, "batch")): c for c in cells}
            draws.append(_map(label, at, sizes, batches, size, named_device(sweep)))
    return draws


def _map(
    label: str,
    cells: Mapping[tuple[int, int], Cell],
    sizes: Sequence[int],
    batches: Sequence[int],
    size: str,
    device: Device | None,
) -> Panel:
    values = [[cells[s, b].values.get("memory", 0) if (s, b) in cells else 0 for s in sizes] for b in batches]
    logs = [[math.log2(value / GIB) if value else math.nan for value in row] for row in values]

    def draw(axes: Axes) -> None:
        from matplotlib.colors import Normalize

        inside = [value for row in logs for value in row if not math.isnan(value)]
        if not inside:
            axes.set_axis_off()
            return
        mesh = axes.imshow(logs, origin="lower", aspect="auto", cmap="YlGnBu", norm=Normalize(min(inside), max(inside)))
        levels = {math.log2(card.memory / GIB): f"{card.memory // GIB} GiB" for card in CARDS}
        if device is not None:  # its own line says more than those of others
            levels = {math.log2(device.memory / GIB): f"{device.name}: {device.memory / GIB:.4g} GiB"}
        crossed = {level: levels[level] for level in sorted(levels) if min(inside) < level < max(inside)}
        if crossed:
            lines = axes.contour(logs, levels=list(crossed), colors=RED, linewidths=1.4)
            for text in axes.clabel(lines, fmt=crossed, fontsize=7, inline=False):
                text.set(rotation=0, bbox={"facecolor": "white", "edgecolor": RED, "pad": 1.2, "linewidth": 0.8})
        if len(sizes) * len(batches) <= 120:
            _write_values(axes, values, logs)
        axes.set_xticks(range(len(sizes)), [str(value) for value in sizes])
        axes.set_yticks(range(len(batches)), [str(value) for value in batches])
        axes.set_xlabel(find_axis(size).title)
        axes.set_ylabel(find_axis("batch").title)
        whose = "common GPUs" if device is None else device.name
        crosses = f"\nred: where it crosses the memory of {whose}" if crossed else ""
        axes.set_title(f"Peak memory: {shown(label, 60)}{crosses}")
        bar = axes.figure.colorbar(mesh, ax=axes)
        ticks = round_numbers(2 ** (min(inside) + 30), 2 ** (max(inside) + 30) + 1, base=2)
        bar.set_ticks([math.log2(tick) - 30 for tick in ticks])
        bar.ax.minorticks_off()
        bar.ax.yaxis.set_major_formatter(lambda value, _: show(round(2 ** (value + 30)), "memory"))

    return draw


def _write_values(axes: Axes, values: Sequence[Sequence[int]], logs: Sequence[Sequence[float]]) -> None:
    inside = [value for row in logs for value in row if not math.isnan(value)]
    dark = (min(inside) + 2 * max(inside)) / 3
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            text = show(value, "memory", digits=2) if value else "refused"
            colour = "white" if value and logs[y][x] > dark else "black" if value else "#888888"
            axes.text(x, y, text.replace(" ", "\n"), ha="center", va="center", fontsize=6, color=colour)
