"""A run as Markdown for a pull request: a verdict, a table that begins with regressions, and why and where."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from ..text.line import shown
from ..values.metrics import title_of
from ..values.request import CONVENTIONS
from ..values.result import Result
from ..values.run import Report
from .failure import conditions, remedy_text
from .growth import growth_lines, where_lines
from .metrics import cell, columns
from .standing import FAILING, QUIET, ranked, sentence, standing
from .tables import metric_table

MARKER = "<!-- modelbudget -->"
"""The first line, by which a comment is found again to be replaced."""

_ROOM = 1200  # bytes for what frames the rows and sections: headings of tables, and the line on what was left out


def to_markdown(report: Report, *, limit: int = 60_000) -> str:
    """The report within ``limit`` bytes: what is least important is left out first, whole, and counted.

    The verdict is always there.
    """
    groups: dict[str, list[Result]] = {"failing": [], "loud": [], "quiet": []}
    for result in ranked(report.results):
        word = standing(result)
        groups["failing" if word in FAILING else "quiet" if word in QUIET else "loud"].append(result)
    metrics = columns(report.results)
    head = f"{MARKER}\n### Model budgets\n\n{_verdict(report.results)}\n"
    foot = _foot(report)
    room = _Room(limit - len((head + foot).encode()) - _ROOM)
    rows = room.fill(_row(result, metrics) for result in groups["failing"])
    sections = room.fill(_section(result) for result in groups["failing"])
    rows += room.fill(_row(result, metrics) for result in groups["loud"])
    folded = room.fill(_row(result, metrics) for result in groups["quiet"])
    parts = [head]
    if rows:
        parts.append(_table(rows, metrics))
    parts += sections
    if folded:
        parts.append(_fold(folded, metrics, is_open=not rows))
    parts += _left_out(len(report.results) - len(rows) - len(folded), len(groups["failing"]) - len(sections), limit)
    return "\n".join([*parts, foot] if foot else parts)


class _Room:
    """Room for texts that come in the order of their importance: after the first that does not fit, none does."""

    def __init__(self, size: int) -> None:
        self._left = size

    def fill(self, texts: Iterable[str]) -> list[str]:
        """Those of the texts that there is room for."""
        kept = []
        for text in texts:
            self._left -= len(text.encode()) + 1
            if self._left < 0:
                break
            kept.append(text)
        return kept


def _left_out(entries: int, explanations: int, limit: int) -> list[str]:
    counted = [_plural(entries, "entry", "entries"), _plural(explanations, "explanation", "explanations")]
    named = " and ".join(text for text in counted if text)
    return [f"Left out, to stay within {limit} bytes: {named}.\n"] if named else []


def _plural(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}" if number else ""


def _verdict(results: Sequence[Result]) -> str:
    head, colon, rest = sentence(results).partition(":")
    return f"**{head}**{colon}{rest}"


def _table(rows: Iterable[str], metrics: Sequence[str]) -> str:
    titles = ["", "entry", "operating point", *(title_of(metric) for metric in metrics)]
    rule = ["---", "---", "---", *("--:" for _ in metrics)]
    return "\n".join([_line(titles), _line(rule), *rows, ""])


def _row(result: Result, metrics: Sequence[str]) -> str:
    word = standing(result)
    texts = [f"**{word}**" if word in FAILING else word, code(result.entry), str(result.cost.point)]
    return _line([*texts, *(_cell(result, metric) for metric in metrics)])


def _line(texts: Iterable[str]) -> str:
    escaped = (text.replace("|", "\\|") for text in texts)  # also inside code: that is how tables are read
    return f"| {' | '.join(escaped)} |"


def _cell(result: Result, metric: str) -> str:
    found = cell(result, metric)
    if found is None:
        return "-"
    used = f"**{found.used}**" if found.failed else found.used
    return "<br>".join(text for text in (used, found.budget, found.since) if text)


def _fold(rows: Sequence[str], metrics: Sequence[str], *, is_open: bool) -> str:
    summary = f"{_plural(len(rows), 'entry', 'entries')} within budget or unchanged"
    opened = " open" if is_open else ""
    return f"<details{opened}><summary>{summary}</summary>\n\n{_table(rows, metrics)}\n</details>\n"


def _section(result: Result) -> str:
    """Why an entry fails, folded: the text that a terminal shows."""
    title = f"<b>{standing(result)}</b> <code>{html.escape(shown(result.entry))}</code>"
    body = "\n".join(_explained(result))
    fence = "`" * max(3, _longest_run(body) + 1)
    return f"<details><summary>{title}</summary>\n\n{fence}text\n{body}\n{fence}\n\n</details>\n"


def _explained(result: Result) -> list[str]:
    verdict = result.verdict
    lines = [verdict.headline(), f"{shown(result.path)}:{result.line}"]
    for problem in verdict.reasons:
        lines += [line for line in problem.splitlines() if line != verdict.headline()]
    for block in (
        metric_table(verdict.judged, verdict.regressed).splitlines(),
        conditions(result.cost, result.module).splitlines(),
        growth_lines(result, most=10),
        where_lines(result),
        [f"fits   {remedy_text(result)}"] if result.remedies else [],
    ):
        lines += ["", *block] if block else []
    return [shown(line.rstrip(), 500) for line in lines]


def code(text: str) -> str:
    """A name as a code span, in which nothing is markup: no link, mention, image, emoji or HTML."""
    line = shown(text) or " "
    ticks = "`" * (_longest_run(line) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{space}{line}{space}{ticks}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _foot(report: Report) -> str:
    used = [CONVENTIONS[name] for name in CONVENTIONS if any(name == r.cost.convention for r in report.results)]
    versions = f"pytest-modelbudget {code(report.plugin_version)}"
    if report.torch_version:
        versions += f", torch {code(report.torch_version)}"
    return " ".join([*used, f"{versions}.\n"])
