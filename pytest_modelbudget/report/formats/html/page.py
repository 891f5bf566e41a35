"""What the HTML page shows, as plain values for its template: a row and a section for each entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....judging.growth import row_metric
from ....text import units
from ....text.line import shown
from ....values.growth import Growth
from ....values.metrics import find_metric, show, show_apart, title_of
from ....values.result import Result
from ....values.run import Report
from ...parts.columns import Cell, cell, columns
from ...parts.conditions import conditions
from ...parts.standing import FAILING, ranked, sentence, standing
from ...parts.why import why
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
    why: str
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
    """The whole page."""

    sentence: str
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
        titles=[title_of(metric) for metric in metrics],
        entries=[
            _entry(number, result, metrics, report, most) for number, result in enumerate(ranked(report.results), 1)
        ],
        plugin_version=report.plugin_version,
        torch_version=report.torch_version,
    )


def _entry(number: int, result: Result, metrics: Sequence[str], report: Report, most: int) -> Entry:
    word, verdict, comparison = standing(result), result.verdict, result.comparison
    growth = comparison.growth if comparison is not None else None
    metric = _pictured(result, growth)
    kept = report.before.get(result.entry, ()) if comparison is not None else ()
    before = {row.name: int(getattr(row, metric)) for row in kept if hasattr(row, metric)}
    rows, rows_left_out = module_rows(result, growth, metric, before, most=most)
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
        why=why(result),
        note=shown(growth.note, 500) if growth is not None else "",
        bars=steps,
        mark=mark,
        pictures=pictures(result, growth, metric, before),
        one_scale=one_scale(result.cost.metric(metric, result.module) or 0, before.get(result.module, 0)),
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
    """The metric whose modules are shown: that of the growth or of the verdict, where modules have it."""
    if growth is not None:
        return row_metric(growth.metric)
    metric = find_metric(result.verdict.worst)
    return metric.name if metric.in_modules and not metric.estimate else "flops"
