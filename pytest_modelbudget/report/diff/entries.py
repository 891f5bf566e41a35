"""The entries of two files in words: a sentence for all of them, and of each how it stands, its metrics and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from ...baseline.diff import Difference
from ...text import units
from ...text.line import shown
from ...values.metrics import metric_names, show, show_apart
from ..parts.changes import changes_table
from ..parts.factors import factor_text, grown
from ..parts.memory import peaks_lines

_NOTHING = Decimal(0)

_COUNTED = {
    "changed": "changed",
    "not comparable": "not comparable",
    "new": "new",
    "gone": "gone",
    "rebuilt": "rebuilt at the same cost",
    "same": "the same",
}


def sentence(differences: Sequence[Difference], fail_on: Decimal | None) -> str:
    """``2 entries changed, 1 new, 3 the same. 1 grew by more than 1 %.``"""
    if not differences:
        return "Neither file has an entry."
    found = [difference.status for difference in differences]
    counted = [(found.count(status), words) for status, words in _COUNTED.items() if status in found]
    first, *rest = [f"{number} {words}" for number, words in counted]
    number, _, words = first.partition(" ")
    text = f"{', '.join([f'{number} {_entries(int(number))} {words}', *rest])}."
    if fail_on is None:
        return text
    over = sum(beyond(difference, fail_on) for difference in differences)
    return f"{text} {over or 'None'} grew by more than {fail_on:f} %."


def _entries(number: int) -> str:
    return "entry" if number == 1 else "entries"


def beyond(difference: Difference, fail_on: Decimal | None) -> bool:
    """Whether an entry grew by more than is allowed, if there is something that is not."""
    return fail_on is not None and bool(difference.beyond(fail_on))


def listed(differences: Iterable[Difference]) -> list[Difference]:
    """The entries that a reader has to see."""
    return [difference for difference in differences if difference.status != "same"]


def word(difference: Difference, fail_on: Decimal | None) -> str:
    """What became of an entry."""
    if difference.status != "changed":
        return difference.status
    if beyond(difference, fail_on):
        return f"grew by more than {fail_on:f} %"
    return "grew" if difference.grew else "shrank" if difference.changes else "moved"


def columns(differences: Iterable[Difference], fail_on: Decimal | None) -> list[str]:
    """The headline metrics, where they are known, and whatever else an entry would not be understood without."""
    wanted = {*metric_names(headline=True, always=True)}
    for one in listed(differences):
        wanted |= {*metric_names(headline=True)} & set(one.metrics)
        for telling in (one.changes, one.beyond(_NOTHING), one.beyond(fail_on or _NOTHING)):
            if telling and not wanted & set(telling):
                wanted.add(next(iter(telling)))
    return [metric for metric in metric_names(recorded=True) if metric in wanted]


def cell(difference: Difference, metric: str) -> str:
    """One metric of an entry: ``4 G -> 6 G (+50 %)``, or ``4 G`` where it is the same or on one side only."""
    was, now = difference.metrics.get(metric, (None, None))
    if was is None or now is None:
        one = was if was is not None else now
        return "-" if one is None else show(one, metric)
    if was == now:
        return show(now, metric)
    before, after = show_apart(was, now, metric)
    if difference.status == "not comparable":
        return f"{before} before, {after} now"
    return f"{before} -> {after}" + (f" ({units.change(now, was)})" if was else "")


def explained(difference: Difference, *, most: int = 10) -> list[str]:
    """Why an entry is not what it was, with at most so many modules, or why that cannot be told."""
    if difference.status == "not comparable":
        return [shown(difference.reason, 400)]
    old, new, growth = difference.old, difference.new, difference.growth
    if difference.status not in ("changed", "rebuilt") or old is None or new is None:
        return []
    lines, moved = _moved(difference), difference.moved is not None
    if growth is None:
        return [*lines, "Not told by module: only pytest counts the new model as the old one was counted."]
    total = f"{growth.metric} {grown(growth.before, growth.after, growth.metric)}"
    if moved and growth.factors:
        lines.append(f"{total} = {' * '.join(factor_text(factor, growth.metric) for factor in growth.factors)}")
    elif growth.factors:
        lines.append(f"{total} by the architecture alone: both at {shown(str(new.entry.point))}")
    elif growth.before != growth.after:
        lines.append(total)
    lines += [f"note: {shown(growth.note, 400)}"] if growth.note else []
    if growth.modules and moved:
        lines.append(f"modules that changed, at {shown(str(old.entry.point))}:")
    lines += peaks_lines(*growth.peaks) if growth.peaks and most else []
    return [*lines, *(changes_table(growth, most=most) if most else [])]


def _moved(difference: Difference) -> list[str]:
    """Where each side was counted, if that is not the same."""
    between = difference.moved
    if between is None or difference.old is None or difference.new is None:
        return []
    what = "inputs" if difference.old.entry.point == difference.new.entry.point else "operating point"
    return [f"{what}: {shown(between[0])} -> {shown(between[1])}"]
