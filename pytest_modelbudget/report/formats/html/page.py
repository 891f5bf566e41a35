"""What the HTML page shows, as plain values for its template: a row and a section for each entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....judging.growth import row_metric
from ....text import units
from ....text.line import shown
from ....values.growth import Growth
from ....values.metrics import show, show_apart, title_of
from ....values.result import Result
from ....values.rows import rows_of, with_below
from ....values.run import Report
from ...parts.cause import cause, common_causes
from ...parts.changes import follows_line
from ...parts.columns import Cell, cell, columns
from ...parts.communication import SentTable, sent_table
from ...parts.conditions import conditions
from ...parts.memory import broken_memory, peaks_lines
from ...parts.standing import FAILING, ranked, sentence, standing
from ...parts.why import others_lines, why
from .modules import Change, Row, change_rows, module_rows
from .pictures import Bar, Picture, bars, baseline_point, one_scale, pictures

ROWS = 200
"""The most module rows an entry shows; the cheapest of the unchanged ones are left out."""

ALL_ROWS = 4000
"""The most module rows a page shows, shared among its entries, so that a browser opens it at once."""

CHANGES = 20
"""The most changed modules an entry lists apart; the table of all modules marks the others."""

_TONES = {"grew": "warn", "not comparable": "warn", "new": "info", "tighter": "good"}
"""The colour of a standing that does not fail and is not quiet either."""


@dataclass(frozen=True)
class Metric:
    """A metric of one result: what is used, of which budget, and since which baseline. Empty where there is none."""

    title: str
    used: str
    budget: str
    share: str
    baseline: str
    change: str
    failed: bool


@dataclass(frozen=True)
class Entry:
    """Everything the page says of one result."""

    number: int
    name: str
    standing: str
    tone: str
    failing: bool
    place: str
    point: str
    headline: str
    problems: Sequence[str]
    conditions: Sequence[str]
    cells: Sequence[Cell | None]
    metrics: Sequence[Metric]
    metric: str
    cause: str
    why: str
    others: Sequence[str]
    memory: Sequence[str]
    sent: SentTable | None
    peaks: Sequence[str]
    follows: Sequence[str]
    note: str
    bars: Sequence[Bar]
    mark: float | None
    pictures: Sequence[Picture]
    one_scale: bool
    changes: Sequence[Change]
    changes_left_out: int
    changes_at: str
    compared: bool
    rows: Sequence[Row]
    rows_left_out: int


@dataclass(frozen=True)
class Page:
    """The whole page. ``causes`` are what several entries fail by, and the numbers and names of these entries."""

    sentence: str
    causes: Sequence[tuple[str, Sequence[tuple[int, str]]]]
    titles: Sequence[str]
    entries: Sequence[Entry]
    plugin_version: str
    torch_version: str


def page(report: Report) -> Page:
    """The page of a report."""
    metrics = columns(report.results)
    most = max(20, min(ROWS, ALL_ROWS // max(1, len(report.results))))
    return Page(
        sentence=sentence(report.results),
        causes=_causes(report.results),
        titles=[title_of(metric) for metric in metrics],
        entries=[
            _entry(number, result, metrics, report, most) for number, result in enumerate(ranked(report.results), 1)
        ],
        plugin_version=report.plugin_version,
        torch_version=report.torch_version,
    )


def _causes(results: Sequence[Result]) -> list[tuple[str, list[tuple[int, str]]]]:
    """The causes that failing entries have in common, with the place on the page of each entry."""
    places = {result.entry: number for number, result in enumerate(ranked(results), 1)}
    return [
        (one.sentence, [(places[entry], shown(entry, 200)) for entry in one.entries]) for one in common_causes(results)
    ]


def _entry(number: int, result: Result, metrics: Sequence[str], report: Report, most: int) -> Entry:
    word, verdict, comparison = standing(result), result.verdict, result.comparison
    growth = comparison.growth if comparison is not None else None
    metric = _pictured(result, growth)
    kept = report.before.get(result.entry, ()) if comparison is not None else ()
    listed = rows_of(result.cost.modules, result.module)
    now, before = (with_below({row.name: row.value(metric) for row in rows}) for rows in (listed, kept))
    rows, rows_left_out = module_rows(result, listed, growth, metric, before, most=most)
    changes, changes_left_out = change_rows(growth, metric, most=CHANGES)
    steps, mark = bars(result, growth)
    problems = [line for text in (*verdict.reasons, *verdict.warnings) for line in text.splitlines()]
    return Entry(
        number=number,
        name=shown(result.entry, 200),
        standing=word,
        tone="bad" if word in FAILING else _TONES.get(word, "quiet"),
        failing=word in FAILING,
        place=f"{shown(result.path)}:{result.line}",
        point=str(result.cost.point),
        headline=shown(verdict.headline(), 500),
        problems=[shown(line, 500) for line in problems if line != verdict.headline()],
        conditions=[shown(line, 500) for line in conditions(result.cost, result.module).splitlines()],
        cells=[cell(result, name) for name in metrics],
        metrics=_metrics(result),
        metric=title_of(metric),
        cause=cause(growth) if growth is not None and (growth.modules or growth.beside) else "",
        why=why(result),
        others=others_lines(result),
        memory=broken_memory(result),
        sent=sent_table(result.cost),
        peaks=peaks_lines(*growth.peaks) if growth is not None and growth.peaks else [],
        follows=[*follows_line(growth), *(shown(text, 200) for text in growth.beside)] if growth is not None else [],
        note=shown(growth.note, 500) if growth is not None else "",
        bars=steps,
        mark=mark,
        pictures=pictures(result, growth, metric, now, before),
        one_scale=one_scale(now.get(result.module, 0), before.get(result.module, 0)),
        changes=changes,
        changes_left_out=changes_left_out,
        changes_at=f"{title_of(metric)} at {baseline_point(result)}",
        compared=bool(before),
        rows=rows,
        rows_left_out=rows_left_out,
    )


def _metrics(result: Result) -> list[Metric]:
    """Every metric that was judged, beside its budget and its baseline."""
    comparison = result.comparison
    known = comparison is not None and comparison.status != "not comparable"
    before = comparison.before or {} if comparison is not None and known else {}
    grown = {regressed.metric for regressed in result.verdict.regressed}
    found = []
    for judged in result.verdict.judged:
        was = before.get(judged.metric)
        texts = [show(judged.used, judged.metric)]
        budget = baseline = ""
        if judged.limit is not None:
            used, budget = show_apart(judged.used, judged.limit, judged.metric)
            texts.append(used)
        if was is not None:
            used, baseline = show_apart(judged.used, was, judged.metric)
            texts.append(used)
        found.append(
            Metric(
                title=title_of(judged.metric),
                used=max(texts, key=len),
                budget=budget,
                share=units.share(judged.used, judged.limit) if judged.limit else "",
                baseline=baseline,
                change=units.change(judged.used, was) if was is not None and was != judged.used else "",
                failed=judged.over or judged.metric in grown,
            )
        )
    return found


def _pictured(result: Result, growth: Growth | None) -> str:
    """The metric whose modules are shown: that of the growth or of the verdict, where rows have it."""
    return row_metric(growth.metric if growth is not None else result.verdict.worst)
