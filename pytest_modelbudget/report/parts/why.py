"""Why a cost is not what it was: the factors since the baseline, and the modules that changed."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ...text.line import shown
from ...values.growth import Comparison, Factor, Growth
from ...values.metrics import find_metric, show
from ...values.point import axes
from ...values.result import Result
from .cause import cause
from .changes import changes_table
from .factors import factor_text, grown, times
from .labels import labelled
from .memory import peaks_lines


def growth_lines(result: Result, *, most: int = 5) -> list[str]:
    """``cause``, ``why`` and ``what`` of an entry: a sentence, the factors, the modules that changed.

    Then the same of other metrics that fail, if they have another cause. None where nothing changed.
    """
    found = why(result)
    growth = result.comparison.growth if result.comparison is not None else None
    reasons = [found] if found else []
    if growth is None:
        return labelled("why    ", reasons)
    sentence = cause(growth)
    assert result.comparison is not None  # it has a growth
    alike = _alike(result.comparison, growth) if sentence else []
    apart = [other for other in alike if _moved(growth) and find_metric(other.metric).headline]
    together = [other for other in alike if other not in apart]
    reasons += [_said(result.comparison, other) for other in apart]
    lines = labelled("cause  ", [sentence] if growth.modules or growth.beside else [])
    lines += _explained(result, growth, reasons, most)
    lines += labelled("also   ", [_also(together)] if together else [])
    for other in result.comparison.others:
        if other not in alike:
            lines += [f"cause  {cause(other)}"] if other.modules or other.beside else []
            lines += _explained(result, other, [_said(result.comparison, other)], most)
    return lines


def others_lines(result: Result) -> list[str]:
    """What else fails: a line for what has the same cause, and one for each other metric with its own."""
    comparison = result.comparison
    if comparison is None or comparison.growth is None:
        return []
    alike = _alike(comparison, comparison.growth)
    lines = [_also(alike)] if alike else []
    for other in comparison.others:
        if other not in alike:
            lines += [text for text in (_said(comparison, other), cause(other)) if text]
    return lines


def _alike(comparison: Comparison, growth: Growth) -> list[Growth]:
    """The other metrics that the same modules explain."""
    told = _names(growth)
    return [other for other in comparison.others if _names(other) <= told and set(other.beside) <= set(growth.beside)]


def _names(growth: Growth) -> set[str]:
    """The modules that changed."""
    return {name for change in growth.modules for name in (change.name, *change.alike)}


def _also(alike: Sequence[Growth]) -> str:
    return f"{', '.join(map(_grew, alike))}, of the same cause"


def _grew(growth: Growth) -> str:
    return f"{growth.metric} {grown(growth.before, growth.after, growth.metric)}"


def _explained(result: Result, growth: Growth, reasons: list[str], most: int) -> list[str]:
    table = changes_table(growth, most=most)
    at = [f"both counted at {shown(_at(result))}"] if table and _moved(growth) else []
    note = [shown(growth.note, 400)] if growth.note else []
    peaks = labelled("peak   ", peaks_lines(*growth.peaks)) if growth.peaks else []
    return [*labelled("why    ", [*reasons, *note]), *peaks, *labelled("what   ", [*table, *at])]


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
    return _said(comparison, growth)


def _said(comparison: Comparison, growth: Growth) -> str:
    """The total and the factors of one metric."""
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
