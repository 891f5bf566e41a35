"""The pictures of the study, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import tables
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from pytest_modelbudget.values.device import GIB
from pytest_modelbudget.values.devices import find_device

COLOURS = {  # told apart also without colour vision: Okabe and Ito
    "ResNet-50": "#0072B2",
    "MobileNet-v3": "#E69F00",
    "ViT-B/16": "#D55E00",
    "Swin-T": "#CC79A7",
    "U-Net": "#009E73",
}
MARKS = dict(zip(COLOURS, "osD^v", strict=True))
CARDS = (16, 24, 80)  # GiB
USUAL, BATCH_ONE = 224, 1

Value = Callable[[Any], float | None]


def draw(cells: Sequence[Any], devices: Sequence[str], folder: Path) -> None:
    """Write every picture into ``folder``."""
    _save(_compute(cells), folder / "compute.png")
    _save(_parameters(cells), folder / "parameters.png")
    _save(_memory(cells), folder / "memory.png")
    _save(_throughput(cells, devices), folder / "throughput.png")
    _save(_throughput_by_resolution(cells, devices), folder / "throughput_by_resolution.png")


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _figure(columns: int, title: str, rows: int = 1) -> tuple[Any, Any]:
    figure, axes = plt.subplots(rows, columns, figsize=(5.6 * columns, 4.3 * rows), layout="constrained", squeeze=False)
    figure.suptitle(title, fontsize=13)
    return figure, axes


def _lines(axes: Axes, cells: Sequence[Any], free: str, fixed: dict[str, int], value: Value, **style: Any) -> None:
    """A line for each model over its batch or resolution, where there is a value."""
    for model, colour in COLOURS.items():
        points = [
            (getattr(cell, free), y)
            for cell in cells
            if cell.model == model and all(getattr(cell, name) == given for name, given in fixed.items())
            if (y := value(cell)) is not None
        ]
        xs, ys = [x for x, _ in points], [y for _, y in points]
        axes.plot(xs, ys, color=colour, marker=MARKS[model], markersize=4.5, linewidth=1.6, label=model, **style)


def _log(axes: Axes, free: str, values: Sequence[int], label: str, unit: Callable[[float], str]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(list(values), [str(v) for v in values])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: unit(value)))
    axes.set_xlabel({"batch": "batch (samples in a step)", "res": "resolution (pixels on a side)"}[free])
    axes.set_ylabel(label)
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)


def _values(cells: Sequence[Any], free: str) -> list[int]:
    found = sorted({getattr(cell, free) for cell in cells})
    return [v for v in found if free == "batch" or v not in (96, 192, 256)]  # labels that would touch


def _si(value: float) -> str:
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:g} {prefix}"
    return f"{value:g}"


def _bytes(value: float) -> str:
    for factor, prefix in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB")):
        if value >= factor:
            return f"{value / factor:g} {prefix}"
    return f"{value / 1024:g} KiB"


def _both(cells: Sequence[Any], title: str, label: str, value: Value, unit: Callable[[float], str]) -> Any:
    """Two panels: over batch at the usual resolution, over resolution at batch 1."""
    figure, ((left, right),) = _figure(2, title)
    for axes, free, fixed in ((left, "batch", {"res": USUAL}), (right, "res", {"batch": BATCH_ONE})):
        _lines(axes, cells, free, fixed, value)
        _log(axes, free, _values(cells, free), label, unit)
    left.set_title(f"over batch, at {USUAL} pixels", fontsize=11)
    right.set_title(f"over resolution, at batch {BATCH_ONE}", fontsize=11)
    left.legend(frameon=False)
    return figure


def _compute(cells: Sequence[Any]) -> Any:
    title = "Compute is proportional to the batch, and to the square of the resolution, global attention aside"
    figure = _both(cells, title, "FLOPs (1 multiply-add = 1)", lambda c: c.infer and c.infer.flops, _si)
    right = figure.axes[1]
    for power, style in ((2, ":"), (4, "--")):  # to compare slopes with, below all lines
        start, end = 384, 1024
        last = 3e7 * (end / start) ** power
        right.plot([start, end], [3e7, last], color="#555555", linestyle=style, linewidth=1.2)
        right.annotate(f"res$^{power}$", (end, last), textcoords="offset points", xytext=(-22, 6), color="#555555")
    return figure


def _parameters(cells: Sequence[Any]) -> Any:
    title = "Parameters do not move, but for position embeddings"
    figure = _both(cells, title, "parameters (millions)", lambda c: c.infer and c.infer.params / 1e6, str)
    for axes in figure.axes:
        axes.set_yscale("linear")
        axes.set_ylim(0, 100)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    figure.axes[0].legend(frameon=False, loc="center", bbox_to_anchor=(0.5, 0.62), ncols=2)
    return figure


def _memory(cells: Sequence[Any]) -> Any:
    figure, axes = _figure(2, "Memory grows with both: training keeps what inference drops", rows=2)
    for row, mode, words in zip(
        axes, ("infer", "train"), ("inference, fp16", "training, fp16 autocast, AdamW"), strict=True
    ):
        for panel, free, fixed in zip(row, ("batch", "res"), ({"res": USUAL}, {"batch": BATCH_ONE}), strict=True):
            _lines(panel, cells, free, fixed, lambda c, mode=mode: (cost := getattr(c, mode)) and cost.memory)
            _log(panel, free, _values(cells, free), "peak memory", _bytes)
            panel.set_yscale("log", base=2)
            panel.set_yticks([2**power for power in range(22, 39, 2)])
            panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _bytes(value)))
            panel.yaxis.set_minor_locator(NullLocator())
            where = f"over batch, at {USUAL} pixels" if free == "batch" else f"over resolution, at batch {BATCH_ONE}"
            panel.set_title(f"{words}: {where}", fontsize=11)
            panel.set_ylim(2**22.5, 2**38)
            for gib in CARDS:
                panel.axhline(gib * GIB, color="#888888", linewidth=0.9, linestyle=":")
                panel.annotate(
                    f"{gib} GiB card", (0, gib * GIB), xycoords=("axes fraction", "data"), textcoords="offset points",
                    xytext=(4, -9 if gib == 16 else 2), fontsize=8, color="#666666",
                )  # fmt: skip
    axes[0][1].legend(frameon=False, ncols=2, loc="upper right", bbox_to_anchor=(1, 0.72))
    return figure


def _throughput(cells: Sequence[Any], devices: Sequence[str]) -> Any:
    title = f"Estimated throughput over batch, at {USUAL} pixels, inference in fp16: an estimate, not a measurement"
    figure, axes = _figure(2, title, rows=2)
    for panel, device in zip(axes.flat, devices, strict=True):
        most = find_device(device).memory

        def speed(cell: Any, device: str = device, most: int = most) -> float | None:
            fits = cell.infer is not None and cell.infer.memory <= most
            return cell.infer.throughput.on(device).samples_per_second if fits else None

        _lines(panel, cells, "batch", {"res": USUAL}, speed)
        _log(panel, "batch", _values(cells, "batch"), "samples / s (estimated)", _si)
        for model, colour in COLOURS.items():
            batch = tables.pays(cells, model, device, "infer")
            for cell in cells:
                if (cell.model, cell.batch, cell.res) == (model, batch, USUAL):
                    panel.plot(
                        [batch], [speed(cell)], marker="o", markersize=12, fillstyle="none", color=colour, linestyle=""
                    )
        panel.set_title(find_device(device).name, fontsize=11)
        panel.set_ylim(50, 100_000)
    axes[0][0].legend(frameon=False, ncols=2, title="circled: 90 % of the most", title_fontsize=9, loc="upper left")
    return figure


def _throughput_by_resolution(cells: Sequence[Any], devices: Sequence[str]) -> Any:
    batch = 16
    title = f"Estimated throughput over resolution, at batch {batch}, inference in fp16: an estimate, not a measurement"
    chosen = [devices[0], devices[-1]]
    figure, axes = _figure(2, title)
    for panel, device in zip(axes.flat, chosen, strict=True):
        most = find_device(device).memory

        def speed(cell: Any, device: str = device, most: int = most) -> float | None:
            fits = cell.infer is not None and cell.infer.memory <= most
            return cell.infer.throughput.on(device).samples_per_second if fits else None

        _lines(panel, cells, "res", {"batch": batch}, speed)
        _log(panel, "res", _values(cells, "res"), "samples / s (estimated)", _si)
        panel.set_title(find_device(device).name, fontsize=11)
        panel.set_ylim(10, 20_000)
    axes[0][0].legend(frameon=False)
    return figure
