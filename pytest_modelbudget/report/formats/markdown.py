"""A run as Markdown for a pull request: a verdict, a table that begins with regressions, and why and where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...text.line import shown
from ...values.metrics import title_of
from ...values.result import Result
from ...values.run import Report
from ..parts.cause import NAMED, common_causes
from ..parts.columns import cell, columns
from ..parts.communication import broken_communication
from ..parts.conditions import conditions, conventions
from ..parts.limits import metric_table
from ..parts.markdown import LIMIT, MARKER, Room, code, escaped, folded, table_head, table_row
from ..parts.memory import broken_memory
from ..parts.remedies import fits_line
from ..parts.standing import FAILING, QUIET, ranked, sentence, standing
from ..parts.where import where_lines
from ..parts.why import growth_lines

_FRAME = 1200  # bytes for what frames the rows and sections: headings of tables, and the line on what was left out


def render(report: Report, *, limit: int = LIMIT) -> str:
    """The report within ``limit`` bytes: what is least important is left out first, whole, and counted.

    The verdict is always there.
    """
    groups: dict[str, list[Result]] = {"failing": [], "loud": [], "quiet": []}
    for result in ranked(report.results):
        word = standing(result)
        groups["failing" if word in FAILING else "quiet" if word in QUIET else "loud"].append(result)
    metrics = columns(report.results)
    head = f"{MARKER}\n### Model budgets\n\n{_verdict(report.results)}\n{_causes(report.results)}"
    foot = _foot(report)
    room = Room(limit - len((head + foot).encode()) - _FRAME)
    rows = room.fill(_row(result, metrics) for result in groups["failing"])
    sections = room.fill(_section(result) for result in groups["failing"])
    rows += room.fill(_row(result, metrics) for result in groups["loud"])
    quiet = room.fill(_row(result, metrics) for result in groups["quiet"])
    parts = [head]
    if rows:
        parts.append(_table(rows, metrics))
    parts += sections
    if quiet:
        parts.append(_quiet(quiet, metrics, is_open=not rows))
    parts += _left_out(len(report.results) - len(rows) - len(quiet), len(groups["failing"]) - len(sections), limit)
    return "\n".join([*parts, foot] if foot else parts)


def _left_out(entries: int, explanations: int, limit: int) -> list[str]:
    counted = [_plural(entries, "entry", "entries"), _plural(explanations, "explanation", "explanations")]
    named = " and ".join(text for text in counted if text)
    return [f"Left out, to stay within {limit} bytes: {named}.\n"] if named else []


def _plural(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}" if number else ""


def _verdict(results: Sequence[Result]) -> str:
    head, colon, rest = sentence(results).partition(":")
    return f"**{head}**{colon}{rest}"


def _causes(results: Sequence[Result], *, most: int = 3) -> str:
    """What several entries fail by, once, with the names of these entries."""
    parts = []
    for one in common_causes(results)[:most]:
        names = ", ".join(code(entry) for entry in one.entries[:NAMED])
        more = f" and {len(one.entries) - NAMED} more" if len(one.entries) > NAMED else ""
        parts.append(f"\n**One change, {len(one.entries)} entries**: {escaped(one.sentence)}: {names}{more}\n")
    return "".join(parts)


def _table(rows: Iterable[str], metrics: Sequence[str]) -> str:
    head = table_head(["", "entry", "operating point"], [title_of(metric) for metric in metrics])
    return "\n".join([*head, *rows, ""])


def _row(result: Result, metrics: Sequence[str]) -> str:
    word = standing(result)
    texts = [f"**{word}**" if word in FAILING else word, code(result.entry), str(result.cost.point)]
    return table_row([*texts, *(_cell(result, metric) for metric in metrics)])


def _cell(result: Result, metric: str) -> str:
    found = cell(result, metric)
    if found is None:
        return "-"
    used = f"**{found.used}**" if found.failed else found.used
    return "<br>".join(text for text in (used, found.budget, found.since) if text)


def _quiet(rows: Sequence[str], metrics: Sequence[str], *, is_open: bool) -> str:
    """The entries that a reader need not look at, in a table that is folded unless there is no other."""
    summary = f"{_plural(len(rows), 'entry', 'entries')} within budget or unchanged"
    opened = " open" if is_open else ""
    return f"<details{opened}><summary>{summary}</summary>\n\n{_table(rows, metrics)}\n</details>\n"


def _section(result: Result) -> str:
    """Why an entry fails, folded: the text that a terminal shows."""
    return folded(result.entry, "\n".join(_explained(result)), status=standing(result))


def _explained(result: Result) -> list[str]:
    verdict = result.verdict
    lines = [verdict.headline(), f"{shown(result.path)}:{result.line}"]
    for problem in verdict.reasons:
        lines += [line for line in problem.splitlines() if line != verdict.headline()]
    for block in (
        metric_table(verdict).splitlines(),
        conditions(result.cost, result.module).splitlines(),
        broken_memory(result),
        broken_communication(result),
        growth_lines(result, most=10),
        where_lines(result) if verdict.worst != "memory" else [],  # a peak belongs to no module
        fits_line(result),
    ):
        lines += ["", *block] if block else []
    return [shown(line.rstrip(), 500) for line in lines]


def _foot(report: Report) -> str:
    versions = f"pytest-modelbudget {code(report.plugin_version)}"
    if report.torch_version:
        versions += f", torch {code(report.torch_version)}"
    return " ".join([*conventions(report.results), f"{versions}.\n"])
