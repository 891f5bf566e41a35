"""What GitHub Actions reads from a run: annotations at the lines of failing budgets, and the job's summary."""

from __future__ import annotations

from ..text.line import shown
from ..values.result import Result
from ..values.run import Report
from .formats import markdown
from .parts.annotations import MOST, Annotation, annotation_lines
from .parts.changes import change_sentences
from .parts.standing import FAILING, ranked, standing
from .parts.why import why

SUMMARY_LIMIT = 2**20
"""Bytes of a job summary; a step whose summary is longer shows none of it."""


def error_annotations(report: Report, *, most: int = MOST, folder: str = "") -> str:
    """``::error`` commands for the failing entries, the worst first.

    The last one says how many more there are. ``folder`` is where the root stands in the repository.
    """
    failing = [result for result in ranked(report.results) if standing(result) in FAILING]
    shown_ones = [_annotation(result, folder.strip("/")) for result in failing[:most]]
    lines = annotation_lines(
        shown_ones, left_out=len(failing) - most, of="failing budgets are not annotated: see the report."
    )
    return "".join(f"{line}\n" for line in lines)


def job_summary(report: Report, *, already: int = 0) -> str:
    """The Markdown report, within what a job summary bears; ``already`` bytes of it are taken.

    Empty where not even the verdict has room: a summary that is too long is not shown at all.
    """
    room = SUMMARY_LIMIT - already
    text = markdown.render(report, limit=room)
    return text if len(text.encode()) <= room else ""


def _annotation(result: Result, folder: str) -> Annotation:
    reason = why(result)
    growth = result.comparison.growth if result.comparison is not None else None
    return Annotation(
        level="error",
        place={"file": f"{folder}/{result.path}" if folder else result.path, "line": str(result.line)},
        entry=result.entry,
        message=[shown(result.verdict.headline(), 400), *([reason] if reason else []), *change_sentences(growth)],
    )
