"""The pictures of a sweep: cost over batch and size, memory as a map, and models against one another."""

from __future__ import annotations

import csv
import io
import math
import statistics
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, nearest
from ..text.line import shown
from ..text.units import BYTES
from ..values.metrics import find_metric, show, title_of
from ..values.point import axis_names, find_axis
from .formats import write_file
from .history import check_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..grids.cell import Cell
    from ..grids.cells import Sweep

GPUS = (8, 12, 16, 24, 40, 48, 80, 141)
"""GiB of memory that GPUs have."""

Accuracy = Mapping[tuple[str, str], float]
"""By target and resolution as shown; an empty resolution is every one."""

_STYLE = {"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "modelbudget", "font.size": 9}


def read_accuracy(said: Iterable[str], targets: Sequence[str]) -> dict[tuple[str, str], float]:
    """The accuracies of models from ``name=value`` and from CSV files (columns target, accuracy, perhaps res).

    Raises `UsageError` for what is neither, for a model that is not in the sweep, and for values that are no numbers.
    """
    found: dict[tuple[str, str], float] = {}
    for text in said:
        name, equals, value = text.rpartition("=")
        rows = [(name, "", value)] if equals else _accuracy_file(Path(text))
        for target, res, number in rows:
            matching = [known for known in targets if target in (known, known.rpartition(":")[2])]
            if not matching:
                raise UsageError(f"--accuracy {text}: no TARGET is named {target!r}.{nearest(target, targets)}")
            try:
                accuracy = float(number)
            except ValueError:
                accuracy = math.nan
            if not math.isfinite(accuracy):
                raise UsageError(f"--accuracy {text}: {number!r} is not a number.")
            found[matching[0], res] = accuracy
    return found


def _accuracy_file(path: Path) -> list[tuple[str, str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"--accuracy {path}: neither name=value nor a CSV file that can be read: {reason}.") from error
    if not rows or not {"target", "accuracy"} <= set(rows[0]):
        raise UsageError(f"--accuracy {path}: a CSV file has the columns target and accuracy, and perhaps res.")
    return [(row["target"] or "", row.get("res") or "", row["accuracy"] or "") for row in rows]


def sweep_plot(sweep: Sweep, path: Path, accuracy: Accuracy | None = None) -> None:
    """Draw a sweep into a file. Raises `UsageError` where there is nothing to draw, or it cannot be written."""
    check_plot(path)
    import matplotlib.style

    with matplotlib.style.context(["default", _STYLE]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a character that the font does not have is drawn as a box
        data, kind = io.BytesIO(), path.suffix.lower()[1:]
        figure = sweep_figure(sweep, accuracy or {})
        figure.savefig(data, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    write_file(path, data.getvalue(), f"--plot {path}: the picture")


def sweep_figure(sweep: Sweep, accuracy: Accuracy) -> Figure:
    """The picture of `sweep_plot`, in the style of the moment: the panels that the sweep has something for."""
    from matplotlib.figure import Figure

    panels = [*_curves(sweep), *_maps(sweep), *_front(sweep, accuracy)]
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
    return figure


# -- cost over batch and over size -----------------------------------------------------------------------------------


def _curves(sweep: Sweep) -> list[Callable[[Axes], None]]:
    metrics = [metric for metric in sweep.metrics if metric in ("flops", "memory")] or list(sweep.metrics[:1])
    names = [
        name for name in axis_names(ordered=True) if len({_place(cell, name) for cell in sweep if not cell.refused}) > 1
    ]
    return [_curve(sweep, metric, name) for metric in metrics for name in names]


def _curve(sweep: Sweep, metric: str, name: str) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        series = _series(sweep, metric, name)
        for number, (label, points) in enumerate(series.items()):
            xs, ys = [x for x, _ in points], [y for _, y in points]
            exponent = growth_exponent(points)
            grows = f"grows as {name}^{exponent:.2f}" if exponent is not None else "one point"
            marker = "osD^vP*X"[number % 8]
            axes.plot(xs, ys, marker=marker, markersize=4, linewidth=1.6, color=f"C{number}", label=f"{label}: {grows}")
        axes.set_xscale("log", base=2)
        _ticks(axes, sorted({x for points in series.values() for x, _ in points}))
        axes.set_yscale("log")
        _log_ticks(axes.yaxis, metric)
        axes.set_xlabel(find_axis(name).title)
        axes.set_ylabel(_title(metric))
        axes.set_title(f"{_title(metric)} over {find_axis(name).title.split(' (')[0]}, on log axes")
        _frame(axes)
        axes.legend(frameon=False, fontsize=8)

    return draw


def _series(sweep: Sweep, metric: str, name: str) -> dict[str, list[tuple[int, int]]]:
    """Points of each model, dtype and mode, over one axis, where the other axes are at their first value."""
    found: dict[str, dict[int, int]] = {}
    first: dict[str, tuple[int, ...]] = {}
    several = {part for part in ("dtype", "mode") if len({getattr(cell.point, part) for cell in sweep}) > 1}
    for cell in sweep:
        if cell.refused or metric not in cell.values:
            continue
        more = [str(getattr(cell.point, part)) for part in ("dtype", "mode") if part in several]
        label = " ".join([shown(cell.target, 40), *more])
        others = tuple(_place(cell, other) for other in axis_names(ordered=True) if other != name)
        if first.setdefault(label, others) == others:
            found.setdefault(label, {})[_place(cell, name)] = cell.values[metric]
    return {_at(label, first[label], name): sorted(points.items()) for label, points in found.items()}


def _at(label: str, others: tuple[int, ...], name: str) -> str:
    """A label with where the other axes are."""
    held = [f"{n} {v}" for n, v in zip([n for n in axis_names(ordered=True) if n != name], others, strict=True) if v]
    return f"{label} at {', '.join(held)}" if held else label


def growth_exponent(points: Sequence[tuple[int, int]]) -> float | None:
    """The slope of a straight line through the points on log axes, by least squares."""
    logs = [(math.log(x), math.log(y)) for x, y in points if y > 0]
    if len(logs) < 2:
        return None
    return statistics.linear_regression([x for x, _ in logs], [y for _, y in logs]).slope


def _place(cell: Cell, name: str) -> int:
    """Where a cell is on an axis; a picture by the side of the square that has as many pixels."""
    if name != "res":
        return getattr(cell.point, name) or 0
    height, width = cell.point.res or (0, 0)
    return height if height == width else round(math.sqrt(height * width))


def _title(metric: str) -> str:
    title = title_of(metric)
    return title if title[0].isupper() else title.capitalize()


def _log_ticks(axis: Any, metric: str) -> None:
    """Marks at 1, 2 and 5 of each decade, or at powers of two for bytes, written as tables write them."""
    from matplotlib.ticker import LogLocator

    in_bytes = find_metric(metric).unit is BYTES
    axis.set_major_locator(LogLocator(base=2, numticks=12) if in_bytes else LogLocator(10, subs=(1, 2, 5), numticks=12))
    axis.set_major_formatter(lambda value, _: show(round(value), metric))
    axis.set_minor_formatter(lambda value, _: "")


def _ticks(axes: Axes, values: Sequence[int]) -> None:
    """Ticks where points are, as many as there is room for."""
    shown_at: list[int] = []
    span = math.log(values[-1] / values[0]) or 1
    for value in values:
        if not shown_at or math.log(value / shown_at[-1]) > 0.07 * span:
            shown_at.append(value)
    axes.set_xticks(shown_at, [str(value) for value in shown_at])
    axes.minorticks_off()


def _frame(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, alpha=0.3)


# -- memory as a map -------------------------------------------------------------------------------------------------


def _maps(sweep: Sweep) -> list[Callable[[Axes], None]]:
    if "memory" not in sweep.metrics:
        return []
    found: dict[str, list[Cell]] = {}
    for cell in sweep:
        found.setdefault(f"{cell.target} {cell.point.dtype or ''} {cell.point.mode}".replace("  ", " "), []).append(
            cell
        )
    draws = []
    for label, cells in found.items():
        size = "res" if any(cell.point.res for cell in cells) else "seq"
        sizes = sorted({_place(cell, size) for cell in cells})
        batches = sorted({_place(cell, "batch") for cell in cells})
        if len(sizes) > 1 and len(batches) > 1:
            draws.append(_map(label, {(_place(c, size), _place(c, "batch")): c for c in cells}, sizes, batches, size))
    return draws


def _map(
    label: str, cells: Mapping[tuple[int, int], Cell], sizes: Sequence[int], batches: Sequence[int], size: str
) -> Callable[[Axes], None]:
    values = [[cells[s, b].values.get("memory", 0) if (s, b) in cells else 0 for s in sizes] for b in batches]
    logs = [[math.log2(value / 2**30) if value else math.nan for value in row] for row in values]

    def draw(axes: Axes) -> None:
        from matplotlib.colors import Normalize

        inside = [value for row in logs for value in row if not math.isnan(value)]
        if not inside:
            axes.set_axis_off()
            return
        mesh = axes.imshow(logs, origin="lower", aspect="auto", cmap="YlGnBu", norm=Normalize(min(inside), max(inside)))
        crossed = [gib for gib in GPUS if min(inside) < math.log2(gib) < max(inside)]
        if crossed:
            levels = [math.log2(gib) for gib in crossed]
            lines = axes.contour(logs, levels=levels, colors="#c0392b", linewidths=1.4)
            texts = dict(zip(levels, (f"{gib} GiB" for gib in crossed), strict=True))
            for text in axes.clabel(lines, fmt=texts, fontsize=7, inline=False):
                text.set(rotation=0, bbox={"facecolor": "white", "edgecolor": "#c0392b", "pad": 1.2, "linewidth": 0.8})
        if len(sizes) * len(batches) <= 120:
            _write_values(axes, values, logs)
        axes.set_xticks(range(len(sizes)), [str(value) for value in sizes])
        axes.set_yticks(range(len(batches)), [str(value) for value in batches])
        axes.set_xlabel(find_axis(size).title)
        axes.set_ylabel("batch")
        axes.set_title(f"Peak memory: {shown(label, 60)}\nred: where it crosses the memory of common GPUs")
        bar = axes.figure.colorbar(mesh, ax=axes)
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


# -- models against one another --------------------------------------------------------------------------------------


def _front(sweep: Sweep, accuracy: Accuracy) -> list[Callable[[Axes], None]]:
    if len(sweep.targets) < 2:
        return []
    cells = _one_batch(sweep)
    across = "flops" if "flops" in sweep.metrics else sweep.metrics[0]
    up = next(
        (metric for metric in ("memory", "params", "weights") if metric in sweep.metrics and metric != across), ""
    )
    if accuracy:
        points = [
            (cell, cell.values[across], value)
            for cell in cells
            if (value := _accuracy_of(cell, accuracy)) is not None and across in cell.values
        ]
    else:
        points = [(c, c.values[across], float(c.values[up])) for c in cells if up and across in c.values]
    return [_pareto(points, across, "" if accuracy else up)] if len(points) > 1 else []


def _one_batch(sweep: Sweep) -> list[Cell]:
    """The cells at the smallest batch each model takes."""
    least: dict[str, int] = {}
    for cell in sweep:
        if not cell.refused:
            least[cell.target] = min(least.get(cell.target, _place(cell, "batch")), _place(cell, "batch"))
    return [cell for cell in sweep if not cell.refused and _place(cell, "batch") == least[cell.target]]


def _accuracy_of(cell: Cell, accuracy: Accuracy) -> float | None:
    return accuracy.get((cell.target, cell.point.show("res")), accuracy.get((cell.target, "")))


def pareto_front(points: Sequence[tuple[float, float]], *, higher: bool) -> list[tuple[float, float]]:
    """The points that no other beats: at most as far to the right, and higher (or lower)."""
    front: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda point: (point[0], -point[1] if higher else point[1])):
        if not front or (y > front[-1][1] if higher else y < front[-1][1]):
            front.append((x, y))
    return front


def _pareto(points: Sequence[tuple[Cell, int, float]], across: str, up: str) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        names = list(dict.fromkeys(cell.target for cell, _, _ in points))
        for number, name in enumerate(names):
            own = sorted((x, y, cell.point.show("res")) for cell, x, y in points if cell.target == name)
            axes.plot(
                [x for x, _, _ in own],
                [y for _, y, _ in own],
                marker="osD^vP*X"[number % 8],
                linestyle=":",
                color=f"C{number % 10}",
                label=shown(name, 40),
                zorder=3,
            )
            for x, y, res in own:
                axes.annotate(res, (x, y), xytext=(5, -9), textcoords="offset points", fontsize=7, color="#555555")
        front = pareto_front([(x, y) for _, x, y in points], higher=not up)
        xs, ys = zip(*front, strict=True)
        axes.plot(
            xs, ys, color="#b8b8b8", linewidth=5, alpha=0.6, zorder=1, drawstyle="steps-post", label="Pareto front"
        )
        axes.set_xscale("log")
        _log_ticks(axes.xaxis, across)
        if up:
            axes.set_yscale("log")
            _log_ticks(axes.yaxis, up)
        batch = points[0][0].point.batch
        axes.set_xlabel(_title(across) + (f" at batch {batch}" if batch else ""))
        axes.set_ylabel(_title(up) if up else "Accuracy, as given")
        axes.set_title(f"{_title(up) if up else 'Accuracy'} against {_title(across)}, each point a resolution")
        axes.margins(0.12)
        _frame(axes)
        axes.legend(frameon=False, fontsize=8)

    return draw
