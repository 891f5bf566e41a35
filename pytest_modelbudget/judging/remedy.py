"""What would fit where a budget is broken: the largest batch, resolution or sequence within all limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import BudgetError
from ..values.cost import Cost
from ..values.point import OperatingPoint
from .search import Look, Search, SearchEnded

MOST = 12
"""Counts for each size that is searched: a test that fails should not take long over it."""

_GROWING = ("flops", "macs", "activations", "memory")


@dataclass(frozen=True)
class Remedy:
    """The largest value of ``batch``, ``res`` or ``seq`` within every limit, the rest being as it is."""

    size: str
    at_most: int


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
    if not over or not set(over) <= set(_GROWING) or cost.executed != "meta" or cost.uncounted:
        return ()
    found = []
    for size in ("batch", "res", "seq"):
        value = _value(cost.point, size)
        if value is not None and value > 1:
            at_most = _largest(cost, size, value, limits, count, module)
            if at_most is not None:
                found.append(Remedy(size, at_most))
    return tuple(found)


def _value(point: OperatingPoint, size: str) -> int | None:
    if size != "res":
        value: int | None = getattr(point, size)
        return value
    return point.res[0] if point.res is not None and point.res[0] == point.res[1] else None


def _largest(
    cost: Cost,
    size: str,
    value: int,
    limits: Mapping[str, int],
    count: Callable[[OperatingPoint], Cost],
    module: str,
) -> int | None:
    def values(counted: Cost) -> dict[str, int]:
        return {metric: counted.metric(metric, module) or 0 for metric in limits}

    def look(smaller: int) -> Look:
        changed: Any = (smaller, smaller) if size == "res" else smaller
        try:
            return Look(values(count(replace(cost.point, **{size: changed}))))
        except BudgetError as error:
            return Look(refused=str(error).splitlines()[0])

    search = Search(look, limits, cap=2 * value, power=2.0 if size == "res" else 1.0, most=MOST)
    search.seen[value] = Look(values(cost))
    try:
        found = search.largest(value, thorough=False)
    except SearchEnded:
        return None
    return found if found is not None and found < value else None
