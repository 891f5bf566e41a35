"""The one comparison: whether two entries can be compared, and if they can, whether the cost is what it was."""

from __future__ import annotations

from ..values.entry import Entry
from ..values.growth import Comparison
from ..values.point import axes
from .changes import same_build


def compare(old: Entry | None, new: Entry) -> Comparison:
    """An entry beside the one of its baseline, or of another file: ``new``, ``same``, ``changed``, ``not comparable``.

    What costs the same in every metric that both have is the same, however it was counted. The reasons for a change
    are `growth`'s to find.
    """
    if old is None:
        return Comparison("new")
    if same_totals(old, new):
        return Comparison("same", before=old.totals, point=old.point)
    reason = incomparable(old, new)
    return Comparison("not comparable" if reason else "changed", reason, old.totals, old.point)


def same_totals(old: Entry, new: Entry) -> bool:
    """Whether every metric that both have is what it was: memory is not measured everywhere."""
    return all(old.totals[metric] == new.totals[metric] for metric in old.totals if metric in new.totals)


def incomparable(old: Entry, new: Entry) -> str:
    """Why it is the counting that differs, or what is counted, and not what it costs; in words, or empty."""
    settings = [
        ("in the convention", old.convention, new.convention),
        ("by the counter", old.counter, new.counter),
        *((f"with {axis.name}", _shown(old, axis.name), _shown(new, axis.name)) for axis in axes(factor=False)),
        ("for", _subject(old), _subject(new)),
    ]
    for what, before, now in settings:
        if before != now:
            return f"counted {what} {before} before, {now} now"
    before, now = old.counted_with, new.counted_with
    if before == now or old.point != new.point or not same_build(old, new):
        return ""
    return f"the model is the same, the counting is not: {before} before, {now} now"


def _shown(entry: Entry, axis: str) -> str:
    return entry.point.show(axis) or "default"


def _subject(entry: Entry) -> str:
    return f"the module {entry.module}" if entry.module else "the whole model"
