"""Why a cost is not what it was: the factors since the baseline, and the modules that changed."""

from __future__ import annotations

from fractions import Fraction

from ...text.line import shown
from ...values.growth import Comparison, Factor, Growth
from ...values.metrics import show
from ...values.point import axes
from ...values.result import Result
from .changes import changes_table
from .factors import factor_text, times
from .labels import labelled


def growth_lines(result: Result, *, most: int = 5) -> list[str]:
    """``why`` and ``what`` of an entry: the factors, then the modules that changed. None where nothing changed."""
    found = why(result)
    growth = result.comparison.growth if result.comparison is not None else None
    reasons = [found] if found else []
    if growth is None:
        return labelled("why    ", reasons)
    table = changes_table(growth, most=most)
    at = [f"both counted at {shown(_at(result))}"] if table and _moved(growth) else []
    note = [shown(growth.note, 400)] if growth.note else []
    return [*labelled("why    ", [*reasons, *note]), *labelled("what   ", [*table, *at])]


def why(result: Result) -> str:
    """``4.00x since the baseline = architecture 1.00x * batch 1.00x * resolution 4.00x (224 -> 448)``."""
    comparison = result.comparison
    if comparison is None or comparison.status == "same":
        return ""
    if comparison.status == "new":
        return "new: the baseline has no entry for it"
    if comparison.status == "not comparable":
        return f"not comparable: {shown(comparison.reason, 400)}"
    growth = comparison.growth
    if growth is None:
        changed = comparison.changes(result.cost, result.module)
        return ", ".join(_total(metric, *pair) for metric, pair in changed.items())
    total = _total(growth.metric, growth.before, growth.after)
    factors = [factor_text(factor, growth.metric) for factor in _factors(comparison, growth)]
    return f"{total} = {' * '.join(factors)}" if factors else total


def _factors(comparison: Comparison, growth: Growth) -> list[Factor]:
    """The factors, with those of the operating point that did not change, in the order they were applied."""
    if not growth.factors:
        return []
    point, found = comparison.point, list(growth.factors)
    have = {factor.name for factor in found}
    points = () if point is None else (point,)
    given = [axis for axis in axes(*points, ordered=True) if point is not None and point.value(axis.name) is not None]
    still = [Factor(axis.factor, 1, 1) for axis in given if axis.factor not in have]
    place = [axis.factor for axis in axes(*points, ordered=True)]
    model, *moved = found
    known = [factor for factor in (*moved, *still) if factor.name in place]
    others = [factor for factor in moved if factor.name not in place]
    return [model, *sorted(known, key=lambda factor: place.index(factor.name)), *others]


def _total(metric: str, before: int, after: int) -> str:
    """The whole growth; FLOPs go without saying."""
    if not before:
        return f"{metric} {show(before, metric)} -> {show(after, metric)} since the baseline"
    name = "" if metric == "flops" else f"{metric} "
    return f"{name}{times(Fraction(after, before))} since the baseline"


def _moved(growth: Growth) -> bool:
    """Whether the operating point is another; the first factor is the model's."""
    return any(factor.was != factor.now for factor in growth.factors[1:])


def _at(result: Result) -> str:
    point = result.comparison.point if result.comparison is not None else None
    return str(point) if point is not None else "the baseline's operating point"
