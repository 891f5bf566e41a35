"""The modules that changed since the baseline, with what each cost and costs: as a table, and as sentences."""

from __future__ import annotations

from ...judging.growth import row_metric
from ...text.line import shown
from ...text.tables import plain_table
from ...values.growth import Growth, ModuleChange
from ...values.metrics import show, show_apart
from .description import described, named


def biggest_first(growth: Growth) -> list[ModuleChange]:
    """The changed modules, the largest difference first."""
    return sorted(growth.modules, key=lambda change: -abs(change.after - change.before))


def changes_table(growth: Growth, *, most: int) -> list[str]:
    """The changed modules as lines of a table, and how many more there are."""
    metric, changes = row_metric(growth.metric), biggest_first(growth)
    rows = []
    for change in changes[:most]:
        was, now = values(change, metric)
        rows.append([change.status, named(change), described(change), was, now, difference(change, metric)])
        rows[-1].append(shown(change.source))
    headers = ["", "module", "", f"{metric} was", "is", "difference", ""]
    lines = plain_table(rows, headers, right=(3, 4, 5)).splitlines() if rows else []
    return [*lines, *([f"and {len(changes) - most} more"] if len(changes) > most else [])]


def change_sentences(growth: Growth | None, *, most: int = 3) -> list[str]:
    """``added adapter: Linear(64, 8), flops +512, models.py:40``, for an output that has no columns."""
    if growth is None:
        return []
    metric, lines = row_metric(growth.metric), []
    for change in biggest_first(growth)[:most]:
        source = f", {shown(change.source)}" if change.source else ""
        by = f"{metric} {difference(change, metric)}"
        lines.append(f"{change.status} {named(change)}: {described(change)}, {by}{source}")
    return lines


def values(change: ModuleChange, metric: str) -> tuple[str, str]:
    """What a module cost and costs, ``-`` where it was not there."""
    was, now = show_apart(change.before, change.after, metric)
    return "-" if change.status == "added" else was, "-" if change.status == "removed" else now


def difference(change: ModuleChange, metric: str) -> str:
    """``+1.2 G``, ``-300 M``, or ``same``."""
    by = change.after - change.before
    return f"{'+' if by > 0 else '-'}{show(abs(by), metric)}" if by else "same"
