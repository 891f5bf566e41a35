"""Why a cost differs from its baseline, found by counting again: the new model at the old operating point.

``total = architecture x batch x resolution x sequence``: each factor changes one thing and keeps the rest, so
they multiply to the total exactly.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import BudgetError
from ..values.cost import Cost
from ..values.entry import Entry
from ..values.growth import Factor, Growth
from ..values.metrics import find_metric
from ..values.point import OperatingPoint, axes
from .changes import module_changes, same_build
from .source import locate

Recount = Callable[[OperatingPoint], Cost]
"""Counts the model as it is now at another operating point. Raises `BudgetError` where it cannot run there."""


def explain(cost: Cost, old: Entry, recount: Recount, metric: str, *, module: str = "", root: str = "") -> Growth:
    """Why ``metric`` is not what it was: its factors, and the modules that changed at the old operating point."""
    before, after = old.totals[metric], cost.metric(metric, module) or 0
    point = cost.point
    changed = [
        axis for axis in axes(point, old.point, factor=True) if point.value(axis.name) != old.point.value(axis.name)
    ]
    at_old = point.at(**{axis.name: old.point.value(axis.name) for axis in changed})
    try:
        architecture = recount(at_old) if changed else cost
        now = Entry.of(architecture, old.name, module=module)
        factors = [_first_factor(now, old, before, architecture.metric(metric, module) or 0)]
        here = at_old
        for axis in changed:
            here = here.at(**{axis.name: point.value(axis.name)})
            step = cost if here == point else recount(here)
            reached = step.metric(metric, module) or 0
            was, is_ = (at.show(axis.name) or "none" for at in (old.point, point))
            factors.append(Factor(axis.factor, factors[-1].after, reached, was, is_))
    except BudgetError as error:
        note = f"The model as it is now cannot be counted at {at_old}: {str(error).splitlines()[0]}"
        return Growth(metric, before, after, note=note)
    modules = module_changes(
        old.modules,
        architecture.modules.values(),
        row_metric(metric),
        top=module,
        source=lambda name: locate(architecture, name, root),
    )
    note = _versions_note(now, old) if factors[0].before != factors[0].after else ""
    return Growth(metric, before, after, tuple(factors), modules, note)


def row_metric(metric: str) -> str:
    """What the rows of modules are compared by: memory and the like are told by the parameters."""
    return metric if find_metric(metric).in_rows else "params"


def _first_factor(now: Entry, old: Entry, before: int, after: int) -> Factor:
    """What the model costs now where the baseline was counted: the architecture's doing, where it can be told so."""
    if now.inputs != old.inputs:
        return Factor("architecture and inputs", before, after, old.inputs, now.inputs)
    if before != after and now.counted_with != old.counted_with and same_build(old, now):
        return Factor("counting", before, after, old.counted_with, now.counted_with)
    return Factor("architecture", before, after)


def _versions_note(now: Entry, old: Entry) -> str:
    if now.counted_with == old.counted_with or same_build(old, now):
        return ""
    return (
        f"The baseline was counted with {old.counted_with}, this run with {now.counted_with}: "
        "part of the architecture's factor may come from the counting."
    )
