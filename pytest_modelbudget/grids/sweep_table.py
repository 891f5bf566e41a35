"""A sweep as texts: what each column is called, what each cell says, and the table of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..text.line import one_line, shown
from ..text.tables import plain_table
from ..values.metrics import find_metric, show, title_of
from ..values.point import axis_names, find_axis
from ..values.request import CONVENTIONS
from .cell import SPEED, Cell, batches_that_pay


def sweep_table(
    cells: Sequence[Cell], metrics: Sequence[str], convention: str, extras: Mapping[str, tuple[Any, ...]]
) -> str:
    """A row for each point with its metrics, in total and per sample; refused points say why."""
    headers, rows, left = sweep_texts(cells, metrics, extras)
    table = plain_table(rows, headers, right=range(left, len(headers) - 1))
    return "\n\n".join(part for part in (about(cells, convention), table, _paying(cells)) if part)


def about(cells: Sequence[Cell], convention: str) -> str:
    """What the sweep is of: the model if it is one, the modes, the convention."""
    lead = "" if _targets(cells) > 1 else f"{shown(cells[0].target)}: "
    modes = sorted({cell.point.mode for cell in cells})
    return f"{lead}{', '.join(modes)}. {CONVENTIONS[convention]}{_off(cells)}{_idle(cells)}"


def _off(cells: Sequence[Cell]) -> str:
    """How far off the estimates are, by the ways of running that there are."""
    known: dict[str, None] = {}
    for cell in cells:
        for metric, accuracy in cell.accuracies.items():
            known[f" Estimated {metric} {one_line(str(accuracy))}."] = None
    return "".join(known)


def _idle(cells: Sequence[Cell]) -> str:
    """What is given and changes nothing."""
    return "".join(f" {text}" for text in dict.fromkeys(cell.point.idle for cell in cells) if text)


def _targets(cells: Sequence[Cell]) -> int:
    return len({cell.target for cell in cells})


def _paying(cells: Sequence[Cell]) -> str:
    """At which batch it stops to pay to go larger, where there are several and times are predicted."""
    if len({cell.point.batch for cell in cells}) < 2:
        return ""
    lines = []
    for (target, point), batch in batches_that_pay(cells).items():
        lead = f"{shown(target)} at " if _targets(cells) > 1 else ""
        lines.append(f"{lead}{point}: batch {batch} has at least 90 % of the most samples per second (estimated)")
    return "\n".join(lines)


def sweep_texts(
    cells: Sequence[Cell], metrics: Sequence[str], extras: Mapping[str, tuple[Any, ...]]
) -> tuple[list[str], list[list[str]], int]:
    """Headers, rows, and how many columns say where a point is, which are aligned to the left."""
    metrics, parts = _columns(cells, metrics)
    headers = list(parts)
    for metric in metrics:
        headers += [title_of(metric), *(["per sample"] if find_metric(metric).per_sample else [])]
    headers += [*("estimated samples/s" if name == SPEED else name for name in extras), ""]
    rows = []
    for number, cell in enumerate(cells):
        row = [_part(cell, name) for name in parts]
        for metric in metrics:
            row += _values(cell, metric, per_sample=find_metric(metric).per_sample)
        row += ["-" if column[number] is None else str(column[number]) for column in extras.values()]
        rows.append([*row, _note(cell)])
    return headers, rows, len(parts)


def _columns(cells: Sequence[Cell], metrics: Sequence[str]) -> tuple[list[str], list[str]]:
    """The metrics worth a column, and the parts of the point that are."""
    worth = [
        metric
        for metric in metrics
        if metric != "trainable_params"
        or "params" not in metrics
        or any(cell.values.get("params") != cell.values.get(metric) for cell in cells)
    ]
    parts = ["target"] if _targets(cells) > 1 else []
    ordered, several = axis_names(*(cell.point for cell in cells), ordered=True), axis_names(several=True)
    parts += [name for name in ordered if any(c.point.value(name) is not None for c in cells)]
    parts += [name for name in several if len({c.point.value(name) for c in cells}) > 1]
    return worth, parts


def _part(cell: Cell, name: str) -> str:
    if name == "target":
        return shown(cell.target, 60)
    value = cell.point.value(name)
    if value is None:
        return "-"
    return cell.point.show(name) if find_axis(name).ordered else str(value)


def _values(cell: Cell, metric: str, *, per_sample: bool) -> Sequence[str]:
    value, single = cell.values.get(metric), cell.per_sample(metric)
    texts = ["-" if value is None else show(value, metric)]
    return [*texts, "-" if single is None else show(round(single), metric)] if per_sample else texts


def _note(cell: Cell) -> str:
    if cell.refused:
        return f"refused: {shown(cell.refused)}"
    notes = [f"{shown(cell.point.show('device'))} does not hold it"] if cell.held is False else []
    notes += [f"not counted: {', '.join(map(shown, cell.uncounted))}"] if cell.uncounted else []
    return "; ".join([*notes, *(["run for real"] if cell.executed == "real" else [])])
