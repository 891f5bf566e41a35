"""A run as JSON, and back: docs/report-schema.md says what stands where."""

from __future__ import annotations

import json
from typing import Any

from ...text.checks import Wrong, a_count, a_list, a_record, an_object, one_of, show
from ...text.json import Damaged, Place, decode, lines_of, parse
from ...values.result import Result
from ...values.run import SCHEMA, Report, ReportError
from .json_checks import any_text, check
from .json_costs import CostReader, CostWriter

FORMAT = "modelbudget-report"
"""What the field ``format`` says, which tells a report from a baseline."""

_LINE = 400
"""The longest text of an object or list without numbers that is on one line, in characters."""

_VERSIONS = ("plugin_version", "torch_version", "convention")


def render(report: Report) -> str:
    """Write a report: ASCII, the same text for the same data."""
    writer = CostWriter()
    results = [{**data, "cost": writer.cost(data["cost"])} for data in (each.to_dict() for each in report.results)]
    before = {entry: writer.before(rows) for entry, rows in report.before.items()}
    data = {
        "format": FORMAT,
        "schema": SCHEMA,
        **{name: getattr(report, name) for name in _VERSIONS},
        "shared": writer.shared(),
        "results": results,
        "before": before,
    }
    return f"{_written(data)}\n"


def _written(data: Any, depth: int = 0) -> str:
    """JSON with a line for each field, row and column of numbers."""
    numbers = [item is None or isinstance(item, int) for item in data] if isinstance(data, list) else []
    if numbers and all(numbers):
        return json.dumps(data, separators=(",", ":"))
    flat = json.dumps(data)
    if not isinstance(data, (dict, list)) or any(numbers) or (len(flat) <= _LINE and not _has_rows(data)):
        return flat
    pairs = data.items() if isinstance(data, dict) else ((None, item) for item in data)
    inner = [(f"{json.dumps(k)}: " if k is not None else "") + _written(v, depth + 1) for k, v in pairs]
    begin, end = "{}" if isinstance(data, dict) else "[]"
    space = "\n" + " " * depth
    return f"{begin}{space} " + f",{space} ".join(inner) + f"{space}{end}"


def _has_rows(data: Any) -> bool:
    """Whether there is a list of lists in it."""
    if isinstance(data, list):
        return any(isinstance(item, list) for item in data)
    return isinstance(data, dict) and any(map(_has_rows, data.values()))


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
    if "schema" in data:  # before all else: another schema may differ in any way
        number = a_count(data["schema"], ("schema",), least=1)
        if number != SCHEMA:
            age = "a newer" if number > SCHEMA else "an older"
            raise Wrong(f"{number} was written by {age} pytest-modelbudget; this one reads {SCHEMA}", ("schema",))
    a_record(data, (), ("format", "schema", *_VERSIONS, "shared", "results", "before"))
    one_of(data["format"], ("format",), (FORMAT,))
    reader = CostReader(data["shared"], ("shared",))
    results = [_result(item, ("results", n), reader) for n, item in enumerate(a_list(data["results"], ("results",)))]
    before = an_object(data["before"], ("before",))
    return Report(
        **{name: any_text(data[name], (name,)) for name in _VERSIONS},
        results=tuple(results),
        before={entry: reader.before(rows, ("before", entry)) for entry, rows in before.items()},
    )


def _result(tree: Any, place: Place, reader: CostReader) -> Result:
    data = dict(an_object(tree, place))
    if "cost" in data:
        data["cost"] = reader.cost(data["cost"], (*place, "cost"))
    check(data, Result, place)
    return Result.from_dict(data)
