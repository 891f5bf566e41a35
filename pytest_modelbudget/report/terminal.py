"""The section a run ends with: one row for each measured model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..text import units
from ..text.line import one_line, shown
from ..text.tables import plain_table
from ..values.cost import Cost
from ..values.metrics import show, show_apart, title_of
from ..values.result import Result
from ..values.verdict import Judged
from .parts.cause import causes_lines, common_causes
from .parts.columns import limited_columns
from .parts.conditions import conventions
from .parts.measured import prediction_error
from .parts.standing import standing
from .parts.why import why

_INDENT = "    "


class Line(NamedTuple):
    """A line of text and the colour the terminal reporter gives it."""

    text: str
    markup: dict[str, bool]


def summary(results: Sequence[Result], *, verbosity: int = 0, width: int = 80) -> Iterator[Line]:
    """Finished lines for the end of a run; module tables from ``-v`` on, all levels from ``-vv``.

    Where the table is wider than the terminal, each entry has lines of its own instead of a row.
    """
    table = _table(results)
    header, *rows = table.splitlines()
    is_wide = any(len(line) > width for line in (header, *rows))
    if not is_wide:
        yield Line(header, {"bold": True})
    for result, row in zip(results, rows, strict=True):
        for text in _block(result, results, width) if is_wide else [row]:
            yield Line(text, {"green": True} if result.verdict.passed else {"red": True})
    yield Line("", {})
    for convention in conventions(results):
        yield Line(convention, {})
    for text in causes_lines(common_causes(results)):
        yield Line(text, {"red": True})
    for result in results:
        drifted = result.verdict.passed and standing(result) in ("grew", "not comparable")
        grows = ", ".join(scaled.says() for scaled in result.verdict.scaling)
        said = [*([f"grows as {grows}"] if grows else []), *([why(result)] if drifted else [])]
        for text in (*result.cost.notes, *result.verdict.warnings, *said):
            for line in text.splitlines():
                yield Line(f"{one_line(result.entry)}: {one_line(line.strip())}", {"yellow": True})
    if verbosity > 0:
        for result in results:
            yield Line("", {})
            yield Line(
                f"{one_line(result.entry)} ({one_line(result.cost.model)}, {result.cost.point})",
                {"bold": True},
            )
            for text in result.cost.table(depth=2 if verbosity == 1 else 99).splitlines():
                yield Line(text, {})


def _table(results: Sequence[Result]) -> str:
    """One row for each measured entry: operating point, the headline metrics and whatever has a limit."""
    metrics = limited_columns(results)
    measured = any(r.cost.measured is not None for r in results)
    rows = []
    for result in results:
        by_metric = {j.metric: j for j in result.verdict.judged}
        cells = [_cell(by_metric.get(metric)) for metric in metrics]
        if measured:
            cells += _measured(result.cost)
        rows.append([one_line(result.entry), str(result.cost.point), *cells, _standing(result)])
    headers = ["entry", "operating point", *(title_of(m) for m in metrics)]
    headers += [*(["measured memory", "measured time"] if measured else []), "verdict"]
    return plain_table(rows, headers)


def _block(result: Result, results: Sequence[Result], width: int) -> list[str]:
    """An entry on lines of its own: its name and how it stands, then its point and its numbers."""
    by_metric, cost = {j.metric: j for j in result.verdict.judged}, result.cost
    word = _standing(result)
    parts = [f"{title_of(m)} {_cell(by_metric[m], ' ({})')}" for m in limited_columns(results) if m in by_metric]
    if cost.measured is not None:
        memory, time = _measured(cost)
        parts += [f"measured memory {memory}", f"measured time {time}"]
    lines = [f"{cost.point!s}:"]
    for part in (*(f"{part}," for part in parts[:-1]), *parts[-1:]):
        if len(lines[-1]) + 1 + len(part) + len(_INDENT) > width:
            lines.append(part)
        else:
            lines[-1] += f" {part}"
    name = shown(result.entry, max(20, width - len(word) - 2))
    head = [f"{name}  {word}"] if len(name) + 2 + len(word) <= width else [shown(result.entry, width), _INDENT + word]
    return [*head, *(f"{_INDENT}{line}" for line in lines)]


def _cell(j: Judged | None, share: str = ", {}") -> str:
    if j is None:
        return "-"
    if j.limit is None:
        return show(j.used, j.metric)
    used, limit = show_apart(j.used, j.limit, j.metric)
    return f"{used} of {limit}{share.format(units.share(j.used, j.limit))}"


def _measured(cost: Cost) -> list[str]:
    """Peak and time of a real run, the peak with the error of the prediction."""
    if cost.measured is None:
        return ["-", "-"]
    memory = show(cost.measured.memory, "memory")
    if cost.memory is not None and cost.measured.memory:
        memory += f", predicted {prediction_error(cost.memory, cost.measured.memory)}"
    return [memory, show(cost.measured.nanoseconds, "latency")]


def _standing(result: Result) -> str:
    """How an entry stands; of one that moved since its baseline, the metric to look at first and by how much."""
    word = standing(result)
    comparison = result.comparison
    if comparison is None or word not in ("above its baseline", "grew", "tighter"):
        return word
    moved = comparison.changes(result.cost, result.module)
    grown = [metric for metric, (before, now) in moved.items() if now > before]
    metric = result.verdict.worst if result.verdict.regressed else next(iter(grown or moved))
    before, now = moved[metric]
    return f"{word}: {metric} {units.change(now, before)}"
