"""A sweep as a table, CSV, JSON and Markdown."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from ..text import units
from ..text.line import shown
from ..values.cost import CONVENTIONS
from .tables import TITLES, plain

if TYPE_CHECKING:
    from ..grids.sweep import Cell, Sweep


def sweep_table(sweep: Sweep) -> str:
    """A row for each point with its metrics, in total and per sample; refused points say why."""
    headers, rows, left = _texts(sweep)
    parts = [_about(sweep), plain(rows, headers, right=range(left, len(headers) - 1)), _paying(sweep)]
    return "\n\n".join(part for part in parts if part)


def sweep_csv(sweep: Sweep) -> str:
    """A row for each point; counts as whole numbers, memory and weights in bytes."""
    rows = sweep.rows()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _inert(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _inert(value: Any) -> Any:
    """Text as a spreadsheet does not take for a formula."""
    if not isinstance(value, str):
        return value
    line = shown(value, 500)
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line


def sweep_json(sweep: Sweep) -> str:
    """The whole sweep as JSON."""
    return json.dumps(sweep.to_dict(), indent=1) + "\n"


def sweep_markdown(sweep: Sweep) -> str:
    """The table of `sweep_table` as Markdown."""
    headers, rows, left = _texts(sweep)
    escaped = [[_escaped(text) for text in row] for row in rows]
    aligned = ["right" if left <= i < len(headers) - 1 else "left" for i in range(len(headers))]
    table = tabulate(escaped, headers, tablefmt="pipe", colalign=aligned, disable_numparse=True)
    return f"{_escaped(_about(sweep))}\n\n{table}\n"


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in text)


_ESCAPES = {"<": "&lt;", ">": "&gt;", **{character: f"\\{character}" for character in "\\|`*_[]"}}


def _about(sweep: Sweep) -> str:
    only = [name for name in _columns(sweep)[1] if name == "target"]
    lead = "" if only else f"{shown(sweep.cells[0].target)}: "
    modes = sorted({cell.point.mode for cell in sweep.cells})
    return f"{lead}{', '.join(modes)}. {CONVENTIONS[sweep.convention]}"


def _paying(sweep: Sweep) -> str:
    """At which batch it stops to pay to go larger, where there are several and times are predicted."""
    if len({cell.point.batch for cell in sweep.cells}) < 2:
        return ""
    lines = []
    for (target, point), batch in sweep.batches_that_pay().items():
        lead = f"{shown(target)} at " if len(sweep.targets) > 1 else ""
        lines.append(f"{lead}{point}: batch {batch} has 90 % of the most samples per second (estimated)")
    return "\n".join(lines)


def _columns(sweep: Sweep) -> tuple[list[str], list[str]]:
    """The metrics worth a column, and the parts of the point that are."""
    metrics = [
        metric
        for metric in sweep.metrics
        if metric != "trainable_params"
        or "params" not in sweep.metrics
        or any(cell.values.get("params") != cell.values.get(metric) for cell in sweep.cells)
    ]
    cells = sweep.cells
    parts = ["target"] if len(sweep.targets) > 1 else []
    parts += [name for name in ("batch", "res", "seq") if any(getattr(c.point, name) is not None for c in cells)]
    parts += [name for name in ("dtype", "mode") if len({getattr(c.point, name) for c in cells}) > 1]
    return metrics, parts


def _texts(sweep: Sweep) -> tuple[list[str], list[list[str]], int]:
    """Headers, rows, and how many columns say where a point is, which are aligned to the left."""
    from ..grids.sweep import PER_SAMPLE

    metrics, parts = _columns(sweep)
    headers = list(parts)
    for metric in metrics:
        headers += [TITLES[metric], *(["per sample"] if metric in PER_SAMPLE else [])]
    headers += [*sweep.extras, ""]
    rows = []
    for number, cell in enumerate(sweep.cells):
        row = [_part(cell, name) for name in parts]
        for metric in metrics:
            row += _values(cell, metric, per_sample=metric in PER_SAMPLE)
        row += ["-" if column[number] is None else str(column[number]) for column in sweep.extras.values()]
        rows.append([*row, _note(cell)])
    return headers, rows, len(parts)


def _part(cell: Cell, name: str) -> str:
    if name == "target":
        return shown(cell.target, 60)
    value = cell.point.show_res() if name == "res" else getattr(cell.point, name)
    return "-" if value in (None, "") else str(value)


def _values(cell: Cell, metric: str, *, per_sample: bool) -> Sequence[str]:
    value, single = cell.values.get(metric), cell.per_sample(metric)
    texts = ["-" if value is None else units.show(value, metric)]
    return [*texts, "-" if single is None else units.show(round(single), metric)] if per_sample else texts


def _note(cell: Cell) -> str:
    if cell.refused:
        return f"refused: {shown(cell.refused)}"
    notes = [f"not counted: {', '.join(map(shown, cell.uncounted))}"] if cell.uncounted else []
    return "; ".join([*notes, *(["run for real"] if cell.executed == "real" else [])])
