"""The modules that changed since the baseline, with what each cost and costs: as a table, and as sentences."""

from __future__ import annotations

from ...judging.growth import row_metric
from ...text.line import shown
from ...text.tables import plain_table
from ...values.growth import Growth, ModuleChange
from ...values.metrics import show, show_apart
from .description import described, named, repeated


def changes_table(growth: Growth, *, most: int) -> list[str]:
    """The changed modules as lines of a table, the cause first, how many more there are, and what follows from them."""
    metric, changes = row_metric(growth.metric), growth.modules
    rows = []
    several = any(change.times > 1 for change in changes[:most])
    for change in changes[:most]:
        was, now = values(change, metric)
        rows.append([change.status, named(change), described(change), *([repeated(change.times)] if several else [])])
        rows[-1] += [was, now, difference(change, metric), shown(change.source)]
    headers = ["", "module", "", *([""] if several else []), f"{metric} was", "is", "difference", ""]
    numbers = range(len(headers) - 4, len(headers) - 1)
    lines = plain_table(rows, headers, right=numbers).splitlines() if rows else []
    more = [f"and {len(changes) - most} more"] if len(changes) > most else []
    return [*lines, *more, *follows_line(growth), *(shown(text, 200) for text in growth.beside)]


def follows_line(growth: Growth) -> list[str]:
    """``what follows from it: +1.2 G in 23 modules``: of those that did not change themselves."""
    follows, metric = growth.follows, row_metric(growth.metric)
    if follows is None:
        return []
    modules = "1 module" if follows.modules == 1 else f"{follows.modules} modules"
    return [f"what follows from it: {signed(follows.after - follows.before, metric)} in {modules}"]


def change_sentences(growth: Growth | None, *, most: int = 3) -> list[str]:
    """``added adapter: Linear(64, 8), flops +512, models.py:40``, for an output that has no columns."""
    if growth is None:
        return []
    metric, lines = row_metric(growth.metric), []
    for change in growth.modules[:most]:
        source = f", {shown(change.source)}" if change.source else ""
        by = f"{metric} {difference(change, metric)}"
        what = ", ".join(text for text in (described(change), repeated(change.times), by) if text)
        lines.append(f"{change.status} {named(change)}: {what}{source}")
    return [*lines, *follows_line(growth), *(shown(text, 200) for text in growth.beside)]


def values(change: ModuleChange, metric: str) -> tuple[str, str]:
    """What a module cost and costs, ``-`` where it was not there."""
    was, now = show_apart(change.before, change.after, metric)
    return "-" if change.status == "added" else was, "-" if change.status == "removed" else now


def difference(change: ModuleChange, metric: str) -> str:
    """``+1.2 G``, ``-300 M``, or ``same``."""
    return signed(change.after - change.before, metric)


def signed(by: int, metric: str) -> str:
    """A difference with its sign, or ``same``."""
    return f"{'+' if by > 0 else '-'}{show(abs(by), metric)}" if by else "same"
