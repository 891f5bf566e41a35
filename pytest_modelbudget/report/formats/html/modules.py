"""The modules of an entry on the HTML page: rows of all that cost anything, and of those that changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ....text.line import shown
from ....values.growth import Growth, ModuleChange
from ....values.metrics import find_metric, show
from ....values.result import Result
from ....values.rows import ModuleRow, with_below
from ...parts.changes import difference, values
from ...parts.description import describe, described, named, with_times
from ...parts.where import share_of


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


def change_rows(growth: Growth | None, metric: str, *, most: int) -> tuple[list[Change], int]:
    """The modules that changed, the cause first, and how many were left out."""
    if growth is None:
        return [], 0
    return [_change(change, metric) for change in growth.modules[:most]], max(0, len(growth.modules) - most)


def _change(change: ModuleChange, metric: str) -> Change:
    was, now = values(change, metric)
    return Change(
        status=change.status,
        name=named(change),
        what=with_times(described(change), change.times),
        was=Number(was, change.before),
        now=Number(now, change.after),
        by=Number(difference(change, metric), change.after - change.before),
        source=shown(change.source),
    )


def module_rows(
    result: Result,
    listed: Sequence[ModuleRow],
    growth: Growth | None,
    metric: str,
    before: Mapping[str, int],
    *,
    most: int,
) -> tuple[list[Row], int]:
    """The ``listed`` modules that cost anything, in the model's order, and how many were left out."""
    told = growth.modules if growth is not None else ()
    changes = {name: change for change in told for name in (change.name, *change.alike)}
    now, params = (with_below({row.name: row.value(m) for row in listed}) for m in (metric, "params"))
    inside = [row for row in listed if now[row.name] or params[row.name] or row.name in changes or before.get(row.name)]
    costly = sorted(inside, key=lambda row: (row.name not in changes, -now[row.name]))
    kept = {row.name for row in costly[:most]}
    whole = (result.cost.metric(metric, result.module) if find_metric(metric).in_modules else result.cost.memory) or 0
    rows = [
        _row(row, now[row.name], params[row.name], changes.get(row.name), metric, whole, before)
        for row in inside
        if row.name in kept
    ]
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


def _row(
    row: ModuleRow,
    now: int,
    params: int,
    change: ModuleChange | None,
    metric: str,
    whole: int,
    before: Mapping[str, int],
) -> Row:
    was = before.get(change.was_name if change is not None and change.status == "renamed" else row.name)
    if change is not None and change.status == "added":
        was = None
    by = None
    if was is not None:
        sign = "+" if now > was else "-"
        by = Number(f"{sign}{show(abs(now - was), metric)}" if now != was else "same", now - was)
    return Row(
        name=shown(row.name) or shown(row.kind),
        kind=with_times(describe(row.kind, row.config), row.times),
        status=change.status if change is not None else "",
        was=Number(show(was, metric), was) if was is not None else None,
        now=Number(show(now, metric), now),
        by=by,
        share=share_of(now, whole, row.shares),
        params=Number(show(params, "params"), params),
    )
