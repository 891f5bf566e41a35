"""What the HTML page shows, as plain values for its template: entries, bars, pictures and rows of modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from .. import units
from ..cost import ModuleCost
from ..growth import Growth, ModuleChange
from ..result import Result
from ..run_report import Report
from .failure import conditions
from .growth import biggest_first, describe, described, difference, named, rows_metric, times, values, why
from .icicle import Box, icicle
from .metrics import TITLES, Cell, cell, columns
from .names import shown
from .standing import FAILING, ranked, sentence, standing

ROWS = 200
"""The most module rows an entry shows; the cheapest of the unchanged ones are left out."""

_ROW_METRICS = ("flops", "macs", "params", "trainable_params", "activations", "weights")
_TONES = {"grew": "warn", "not comparable": "warn", "new": "info", "tighter": "good"}


@dataclass(frozen=True)
class Bar:
    """One step from the baseline to now; ``width`` is a part of the largest."""

    label: str
    text: str
    width: float


@dataclass(frozen=True)
class Drawn:
    """A box of a picture with its texts and what became of the module."""

    box: Box
    label: str
    title: str
    status: str


@dataclass(frozen=True)
class Picture:
    """Where the cost is, before or now."""

    title: str
    boxes: Sequence[Drawn]
    levels: int


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
    source: str


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
    changes: Sequence[Change]
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
    return Page(
        sentence=sentence(report.results),
        titles=[TITLES[metric] for metric in metrics],
        entries=[_entry(number, result, metrics, report) for number, result in enumerate(ranked(report.results), 1)],
        plugin_version=report.plugin_version,
        torch_version=report.torch_version,
    )


def _entry(number: int, result: Result, metrics: Sequence[str], report: Report) -> Entry:
    word, verdict, comparison = standing(result), result.verdict, result.comparison
    growth = comparison.growth if comparison is not None else None
    metric = _pictured(result, growth)
    kept = report.before.get(result.entry, ()) if comparison is not None else ()
    before = {row.name: int(getattr(row, metric)) for row in kept if hasattr(row, metric)}
    rows, left_out = _rows(result, growth, metric, before)
    bars, mark = _bars(result, growth)
    problems = [line for text in (*verdict.problems, *verdict.warnings) for line in text.splitlines()]
    return Entry(
        number=number,
        name=shown(result.entry, 200),
        standing=word,
        tone="bad" if word in FAILING else _TONES.get(word, "quiet"),
        failing=word in FAILING,
        place=f"{result.path}:{result.line}",
        point=str(result.cost.point),
        headline=verdict.headline(),
        problems=[line for line in problems if line != verdict.headline()],
        conditions=conditions(result.cost, result.module).splitlines(),
        cells=[cell(result, name) for name in metrics],
        metric=TITLES[metric],
        why=why(result),
        note=growth.note if growth is not None else "",
        bars=bars,
        mark=mark,
        pictures=_pictures(result, growth, metric, before),
        changes=[_change(change, rows_metric(growth)) for change in biggest_first(growth)[:ROWS]] if growth else [],
        changes_at=f"{TITLES[rows_metric(growth)]} at {comparison.point}" if growth and comparison else "",
        compared=bool(before),
        rows=rows,
        rows_left_out=left_out,
    )


def _pictured(result: Result, growth: Growth | None) -> str:
    if growth is not None:
        return rows_metric(growth)
    return result.verdict.worst if result.verdict.worst in _ROW_METRICS else "flops"


def _bars(result: Result, growth: Growth | None) -> tuple[list[Bar], float | None]:
    """The steps from the baseline to now, and where the limit stands among them."""
    if growth is None or not growth.factors:
        return [], None
    steps = [("baseline", growth.before)]
    for factor in growth.factors:
        moved = f" ({factor.was} -> {factor.now})" if factor.was != factor.now else ""
        if factor.before != factor.after or moved:
            ratio = times(Fraction(factor.after, factor.before)) if factor.before else "from 0"
            steps.append((f"{factor.name} {ratio}{moved}", factor.after))
    limit = next((judged.limit for judged in result.verdict.judged if judged.metric == growth.metric), None)
    full = max(value for _, value in [*steps, ("", limit or 0)]) or 1
    bars = [Bar(label, units.show(value, growth.metric), value / full) for label, value in steps]
    return bars, limit / full if limit is not None else None


def _pictures(result: Result, growth: Growth | None, metric: str, before: Mapping[str, int]) -> list[Picture]:
    now = {name: int(getattr(row, metric)) for name, row in result.cost.modules.items()}
    top, statuses, earlier = result.module, {}, {}
    for change in growth.modules if growth is not None else ():
        if change.status != "removed":
            statuses[change.name] = change.status
        if change.status != "added":
            earlier[change.was_name] = change.status
    whole = max(now.get(top, 0), before.get(top, 0))
    then = result.comparison.point if result.comparison is not None else None
    pictures = [("Now", result.cost.point, now, statuses)]
    if before:
        pictures.insert(0, ("Before", then, before, earlier))
    drawn = []
    for word, point, tree, marks in pictures:
        boxes = icicle(tree, top=top, whole=whole)
        if boxes:
            title = f"{word}: {TITLES[metric]} {units.show(tree[top], metric)} at {point}"
            found = [_drawn(box, metric, tree[top], marks, result.cost.model) for box in boxes]
            drawn.append(Picture(title, found, 1 + max(box.level for box in boxes)))
    return drawn


def _drawn(box: Box, metric: str, whole: int, marks: Mapping[str, str], model: str) -> Drawn:
    share = units.share(box.value, whole)
    last = box.name.rpartition(".")[2] or model
    title = f"{shown(box.name) or shown(model)}: {units.show(box.value, metric)}, {share}"
    status = marks.get(box.name, "")
    return Drawn(box, f"{shown(last, 60)} {share}", f"{title}, {status}" if status else title, status)


def _change(change: ModuleChange, metric: str) -> Change:
    was, now = values(change, metric)
    return Change(
        status=change.status,
        name=named(change),
        what=described(change),
        was=Number(was, change.before),
        now=Number(now, change.after),
        by=Number(difference(change, metric), change.after - change.before),
        source=change.source,
    )


def _rows(
    result: Result, growth: Growth | None, metric: str, before: Mapping[str, int]
) -> tuple[list[Row], int]:
    """Every module from the entry's own down, in the model's order, and how many were left out."""
    top, changes = result.module, {change.name: change for change in growth.modules} if growth is not None else {}
    inside = [
        row for name, row in result.cost.modules.items() if name == top or not top or name.startswith(f"{top}.")
    ]
    costly = sorted(inside, key=lambda row: (row.name not in changes, -getattr(row, metric)))
    kept = {row.name for row in costly[:ROWS]}
    whole = result.cost.metric(metric, top) or 0
    rows = [_row(row, changes.get(row.name), metric, whole, before) for row in inside if row.name in kept]
    return rows, len(inside) - len(kept)


def _row(row: ModuleCost, change: ModuleChange | None, metric: str, whole: int, before: Mapping[str, int]) -> Row:
    now = int(getattr(row, metric))
    was = before.get(change.was_name if change is not None and change.status == "renamed" else row.name)
    if change is not None and change.status == "added":
        was = None
    by = None
    if was is not None:
        sign = "+" if now > was else "-"
        by = Number(f"{sign}{units.show(abs(now - was), metric)}" if now != was else "same", now - was)
    return Row(
        name=shown(row.name) or shown(row.kind),
        kind=describe(row.kind, row.config),
        status=change.status if change is not None else "",
        was=Number(units.show(was, metric), was) if was is not None else None,
        now=Number(units.show(now, metric), now),
        by=by,
        share=units.share(now, whole),
        params=Number(units.show(row.params, "params"), row.params),
        source=change.source if change is not None else "",
    )
