"""What the HTML page shows, as plain values for its template: entries, bars, pictures and rows of modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..text import units
from ..text.line import shown
from ..values.cost import ModuleCost
from ..values.growth import Growth, ModuleChange
from ..values.metrics import find_metric, show, title_of
from ..values.result import Result
from ..values.run import Report
from .failure import conditions
from .growth import biggest_first, describe, described, difference, named, rows_metric, values, why
from .metrics import Cell, cell, columns
from .pictures import Bar, Picture, bars, baseline_point, one_scale, pictures
from .standing import FAILING, ranked, sentence, standing

ROWS = 200
"""The most module rows an entry shows; the cheapest of the unchanged ones are left out."""

ALL_ROWS = 4000
"""The most module rows a page shows, shared among its entries, so that a browser opens it at once."""

CHANGES = 20
"""The most changed modules an entry lists apart; the table of all modules marks the others."""

_TONES = {"grew": "warn", "not comparable": "warn", "new": "info", "tighter": "good"}


@dataclass(frozen=True)
class Number:
    """A number as people read it and as a table sorts it."""

    text: str
    value: int


@dataclass(frozen=True)
class Row:
    """A module in the table: ``was`` is ``None`` where the baseline has no row for it."""

    name: str
    kind: str
    status: str
    was: Number | None
    now: Number | None
    by: Number | None
    share: str
    params: Number | None


@dataclass(frozen=True)
class Change:
    """A changed module at the baseline's operating point."""

    status: str
    name: str
    what: str
    was: Number
    now: Number
    by: Number
    source: str


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
    rows, left_out = _rows(result, growth, metric, before, most)
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
        metric=title_of(metric),
        why=why(result),
        note=shown(growth.note, 500) if growth is not None else "",
        bars=steps,
        mark=mark,
        pictures=pictures(result, growth, metric, before),
        one_scale=one_scale(result.cost.metric(metric, result.module) or 0, before.get(result.module, 0)),
        changes=[_change(change, metric) for change in biggest_first(growth)[:CHANGES]] if growth else [],
        changes_left_out=max(0, len(growth.modules) - CHANGES) if growth else 0,
        changes_at=f"{title_of(metric)} at {baseline_point(result)}",
        compared=bool(before),
        rows=rows,
        rows_left_out=left_out,
    )


def _pictured(result: Result, growth: Growth | None) -> str:
    if growth is not None:
        return rows_metric(growth)
    metric = find_metric(result.verdict.worst)
    return metric.name if metric.in_modules and not metric.estimate else "flops"


def _change(change: ModuleChange, metric: str) -> Change:
    was, now = values(change, metric)
    return Change(
        status=change.status,
        name=named(change),
        what=described(change),
        was=Number(was, change.before),
        now=Number(now, change.after),
        by=Number(difference(change, metric), change.after - change.before),
        source=shown(change.source),
    )


def _rows(
    result: Result, growth: Growth | None, metric: str, before: Mapping[str, int], most: int
) -> tuple[list[Row], int]:
    """The modules from the entry's own down that cost anything, in the model's order, and how many were left out."""
    top, changes = result.module, {change.name: change for change in growth.modules} if growth is not None else {}
    inside = [
        row
        for name, row in result.cost.modules.items()
        if (name == top or not top or name.startswith(f"{top}."))
        and (getattr(row, metric) or row.params or name in changes or before.get(name))
    ]
    costly = sorted(inside, key=lambda row: (row.name not in changes, -getattr(row, metric)))
    kept = {row.name for row in costly[:most]}
    whole = result.cost.metric(metric, top) or 0
    rows = [_row(row, changes.get(row.name), metric, whole, before) for row in inside if row.name in kept]
    rows += [_removed(change, metric, before) for change in changes.values() if change.status == "removed"]
    return rows, len(inside) - len(kept)


def _removed(change: ModuleChange, metric: str, before: Mapping[str, int]) -> Row:
    was = before.get(change.was_name, change.before)
    return Row(
        name=shown(change.name),
        kind=describe(change.was_kind, change.was_config),
        status=change.status,
        was=Number(show(was, metric), was),
        now=None,
        by=Number(f"-{show(was, metric)}", -was),
        share="",
        params=None,
    )


def _row(row: ModuleCost, change: ModuleChange | None, metric: str, whole: int, before: Mapping[str, int]) -> Row:
    now = int(getattr(row, metric))
    was = before.get(change.was_name if change is not None and change.status == "renamed" else row.name)
    if change is not None and change.status == "added":
        was = None
    by = None
    if was is not None:
        sign = "+" if now > was else "-"
        by = Number(f"{sign}{show(abs(now - was), metric)}" if now != was else "same", now - was)
    return Row(
        name=shown(row.name) or shown(row.kind),
        kind=describe(row.kind, row.config),
        status=change.status if change is not None else "",
        was=Number(show(was, metric), was) if was is not None else None,
        now=Number(show(now, metric), now),
        by=by,
        share=units.share(now, whole),
        params=Number(show(row.params, "params"), row.params),
    )
