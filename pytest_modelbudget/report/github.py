"""What GitHub Actions reads from a run: annotations at the lines of failing budgets, and the job's summary."""

from __future__ import annotations

from collections.abc import Mapping

from ..text.line import one_line, shown
from ..values.result import Result
from ..values.run import Report
from .growth import biggest_first, described, difference, named, rows_metric, why
from .markdown import to_markdown
from .standing import FAILING, ranked, standing

SUMMARY_LIMIT = 2**20
"""Bytes of a job summary; a step whose summary is longer shows none of it."""


def error_annotations(report: Report, *, most: int = 10, folder: str = "") -> str:
    """``::error`` commands for the failing entries, the worst first; GitHub shows ten a step.

    The last one says how many more there are. ``folder`` is where the root stands in the repository.
    """
    failing = [result for result in ranked(report.results) if standing(result) in FAILING]
    lines = []
    for number, result in enumerate(failing[:most], start=1):
        message = _message(result)
        if number == most and len(failing) > most:
            message.append(f"{len(failing) - most} more failing budgets are not annotated: see the report.")
        lines.append(_error(result, message, folder))
    return "".join(f"{line}\n" for line in lines)


def job_summary(report: Report, *, already: int = 0) -> str:
    """The Markdown report, within what a job summary bears; ``already`` bytes of it are taken.

    Empty where not even the verdict has room: a summary that is too long is not shown at all.
    """
    room = SUMMARY_LIMIT - already
    text = to_markdown(report, limit=room)
    return text if len(text.encode()) <= room else ""


def _message(result: Result) -> list[str]:
    lines = [shown(result.verdict.headline(), 400)]
    reason = why(result)
    lines += [reason] if reason else []
    growth = result.comparison.growth if result.comparison is not None else None
    if growth is not None:
        metric = rows_metric(growth)
        for change in biggest_first(growth)[:3]:
            amount = f"{metric} {difference(change, metric)}"
            place = f", {shown(change.source)}" if change.source else ""
            lines.append(f"{change.status} {named(change)}: {described(change)}, {amount}{place}")
    return lines


def _error(result: Result, message: list[str], folder: str) -> str:
    path = f"{folder.strip('/')}/{result.path}" if folder.strip("/") else result.path
    properties = {"file": path, "line": str(result.line), "title": f"Model budget: {shown(result.entry)}"}
    return command("error", properties, "\n".join(message))


def command(name: str, properties: Mapping[str, str], message: str) -> str:
    """A workflow command, with everything in it made inert; only a message may have several lines."""
    written = ",".join(f"{key}={_property(one_line(value))}" for key, value in properties.items())
    lines = [one_line(line) for line in message.split("\n")]
    return f"::{name}{' ' if written else ''}{written}::{_data(chr(10).join(lines))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
