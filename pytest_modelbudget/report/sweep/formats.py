"""A sweep as CSV, JSON and Markdown, by the option that names the file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

from ...grids.cells import Sweep
from ...grids.sweep_table import about, sweep_texts
from ...text.line import shown
from ...text.tables import pipe_table
from ..parts.markdown import escaped


def to_csv(sweep: Sweep) -> str:
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


def to_json(sweep: Sweep) -> str:
    """The whole sweep as JSON."""
    return json.dumps(sweep.to_dict(), indent=1) + "\n"


def to_markdown(sweep: Sweep) -> str:
    """The table of a sweep as Markdown."""
    headers, rows, left = sweep_texts(sweep.cells, sweep.metrics, sweep.extras)
    table = pipe_table([[escaped(text) for text in row] for row in rows], headers, right=range(left, len(headers) - 1))
    return f"{escaped(about(sweep.cells, sweep.convention))}\n\n{table}\n"


SWEEP_FORMATS: dict[str, Callable[[Sweep], str]] = {"csv": to_csv, "json": to_json, "md": to_markdown}
"""The formats a sweep is written in, by the option that names the file."""
