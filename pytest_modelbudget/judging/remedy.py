"""What would fit where a budget is broken: the largest batch, resolution or sequence within all limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..errors import BudgetError
from ..values.cost import Cost
from ..values.metrics import metric_names
from ..values.point import Axis, OperatingPoint, axes
from ..values.verdict import Remedy
from .search import Look, Search, SearchEnded

MOST = 12
"""Counts for each size that is searched: a test that fails should not take long over it."""


def remedies(
    cost: Cost,
    limits: Mapping[str, int],
    count: Callable[[OperatingPoint], Cost],
    *,
    module: str = "",
) -> tuple[Remedy, ...]:
    """What would fit, by counting again; nothing where no smaller size helps, or finding out would take long.

    A model that runs for real is not counted again, nor is one that is over a limit that no size changes.
    """
    over = [metric for metric, limit in limits.items() if (cost.metric(metric, module) or 0) > limit]
    if not over or not set(over) <= set(metric_names(grows=True)) or cost.executed != "meta" or cost.uncounted:
        return ()
    found = []
    for axis in axes(cost.point, ordered=True):
        value = cost.point.side(axis.name)
        if value is not None and value > 1:
            at_most = _largest(cost, axis, value, limits, count, module)
            if at_most is not None:
                found.append(Remedy(axis.name, at_most))
    return tuple(found)


def _largest(
    cost: Cost,
    axis: Axis,
    value: int,
    limits: Mapping[str, int],
    count: Callable[[OperatingPoint], Cost],
    module: str,
) -> int | None:
    def values(counted: Cost) -> dict[str, int]:
        return {metric: counted.metric(metric, module) or 0 for metric in limits}

    def look(smaller: int) -> Look:
        try:
            return Look(values(count(cost.point.with_side(axis.name, smaller))))
        except BudgetError as error:
            return Look(refused=str(error).splitlines()[0])

    search = Search(look, limits, cap=2 * value, power=axis.power, most=MOST)
    search.seen[value] = Look(values(cost))
    try:
        found = search.largest(value, thorough=False)
    except SearchEnded:
        return None
    return found if found is not None and found < value else None
