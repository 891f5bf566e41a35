"""A run as JSON, and back: docs/report-schema.md says what stands where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...text.checks import Wrong, a_count, a_record, an_object, one_of, show
from ...text.json import Damaged, decode, lines_of, parse
from ...values.result import Result
from ...values.rows import ModuleRow
from ...values.run import SCHEMA, Report, ReportError
from .json_checks import any_text, check

FORMAT = "modelbudget-report"
"""What the field ``format`` says, which tells a report from a baseline."""

_VERSIONS = ("plugin_version", "torch_version", "convention")


def render(report: Report) -> str:
    """Write a report: ASCII, the same text for the same data."""
    data = {
        "format": FORMAT,
        "schema": SCHEMA,
        **{name: getattr(report, name) for name in _VERSIONS},
        "results": [result.to_dict() for result in report.results],
        "before": {entry: [row.to_dict() for row in rows] for entry, rows in report.before.items()},
    }
    return json.dumps(data, indent=1) + "\n"


def from_json(text: str | bytes, file: str) -> Report:
    """Read what `render` wrote; ``file`` is its name in messages.

    Raises `ReportError`, and no other error, for anything else.
    """
    try:
        source = decode(text) if isinstance(text, bytes) else text
        return _report(parse(source))
    except Damaged as error:
        line, what = f"{error.line}:{error.column}" if error.column else str(error.line), str(error)
    except Wrong as wrong:
        line, what = str((lines_of(source, wrong.place) or [1])[-1]), f"{show(wrong.place)}: {wrong}"
    raise ReportError(f"{file}:{line}: {what}.\nWrite a new report with pytest --budget-report FILE.json")


def _report(tree: Any) -> Report:
    data = an_object(tree, ())
    if "entries" in data and "results" not in data:
        raise Wrong("a baseline, where a report belongs", ())
    if "schema" in data:  # before all else: a newer schema may differ in any way
        number = a_count(data["schema"], ("schema",), least=1)
        if number > SCHEMA:
            raise Wrong(f"{number} was written by a newer pytest-modelbudget; this one reads {SCHEMA}", ("schema",))
    a_record(data, (), ("format", "schema", *_VERSIONS, "results", "before"))
    one_of(data["format"], ("format",), (FORMAT,))
    check(data["results"], tuple[Result, ...], ("results",))
    check(data["before"], Mapping[str, tuple[ModuleRow, ...]], ("before",))
    return Report(
        **{name: any_text(data[name], (name,)) for name in _VERSIONS},
        results=tuple(Result.from_dict(result) for result in data["results"]),
        before={entry: tuple(ModuleRow(**row) for row in kept) for entry, kept in data["before"].items()},
    )
