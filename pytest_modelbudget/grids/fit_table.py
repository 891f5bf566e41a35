"""What fits, as text: the largest operating points, what they use of each limit, and which limit binds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..text.line import one_line, shown
from ..text.tables import plain_table
from ..text.units import share
from ..values.metrics import show, show_apart
from ..values.point import axis_names
from ..values.request import CONVENTIONS
from .fitting import Fitting

SEARCHED_DOWN = "ranks"
"""The axis of which the smallest value is sought: more of it takes less of each."""


def fit_table(
    target: str, limits: Mapping[str, int], found: Sequence[Fitting], least: Fitting | None, convention: str
) -> str:
    """A row for each point that fits; or, if none does, the smallest and what is over there."""
    texts = ", ".join(f"{metric} {show(limit, metric)}" for metric, limit in limits.items())
    head = f"{shown(target)} within {texts}. {CONVENTIONS[convention]}"
    first = next(iter(found), least)
    for metric, accuracy in (first.accuracies if first is not None else {}).items():
        head += f" Estimated {metric} {one_line(str(accuracy))}." if metric in limits else ""
    if first is not None and first.point.idle:
        head += f" {first.point.idle}"
    if not found:
        assert least is not None  # what does not fit was counted
        used, limit = show_apart(least.values[least.binds], limits[least.binds], least.binds)
        return f"{head}\n\nnothing fits: at {least.point} it takes {least.binds} {used} of {limit}"
    sizes = [axis.name for axis, _ in found[0].point.given() if axis.ordered or axis.name == SEARCHED_DOWN]
    headers = [*sizes, *(part for metric in limits for part in (metric, "", "left")), "what binds"]
    rows = [[*(one.point.show(name) for name in sizes), *_used(limits, one), _binds(limits, one)] for one in found]
    return f"{head}\n\n{plain_table(rows, headers, right=range(len(sizes), len(headers) - 1))}"


def _used(limits: Mapping[str, int], one: Fitting) -> list[str]:
    texts = []
    for metric, limit in limits.items():
        value = one.values[metric]
        texts += [show(value, metric), share(value, limit), show(limit - value, metric)]
    return texts


def _binds(limits: Mapping[str, int], one: Fitting) -> str:
    if one.next is None:
        return f"the model takes no more: {shown(one.refused)}" if one.refused else "nothing, as far as was looked"
    moved = [
        n for n in (*axis_names(one.point, ordered=True), SEARCHED_DOWN) if one.next.value(n) != one.point.value(n)
    ]
    where = ", ".join(f"{name} {one.next.show(name)}" for name in moved)
    if not one.binds:
        return f"nothing at {where}"
    used, _ = show_apart(one.beyond[one.binds], limits[one.binds], one.binds)
    return f"{one.binds}: {used} at {where}"
