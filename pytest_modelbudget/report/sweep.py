"""A sweep as CSV, JSON and Markdown."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from ..grids.cells import Sweep
from ..grids.sweep_table import about, sweep_texts
from ..text.line import shown
from ..text.tables import pipe_table


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
    """The table of a sweep as Markdown."""
    headers, rows, left = sweep_texts(sweep.cells, sweep.metrics, sweep.extras)
    table = pipe_table([[_escaped(text) for text in row] for row in rows], headers, right=range(left, len(headers) - 1))
    return f"{_escaped(about(sweep.cells, sweep.convention))}\n\n{table}\n"


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in text)


_ESCAPES = {"<": "&lt;", ">": "&gt;", **{character: f"\\{character}" for character in "\\|`*_[]"}}

SWEEP_FORMATS = {"csv": sweep_csv, "json": sweep_json, "md": sweep_markdown}
"""The formats a sweep is written in, by the option that names the file."""
