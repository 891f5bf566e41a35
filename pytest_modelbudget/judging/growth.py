"""Why a cost differs from its baseline, found by counting again: the new model at the old operating point.

``total = architecture x batch x resolution x sequence``: each factor changes one thing and keeps the rest, so
they multiply to the total exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..errors import BudgetError
from ..values.cost import Cost
from ..values.entry import Entry
from ..values.growth import Factor, Growth
from ..values.metrics import find_metric
from ..values.point import Axis, OperatingPoint, axes
from ..values.verdict import worst_first
from .changes import module_changes, same_build
from .source import locate

Recount = Callable[[OperatingPoint], Cost]
"""Counts the model as it is now at another operating point. Raises `BudgetError` where it cannot run there."""


def explain(
    cost: Cost, old: Entry, recount: Recount, metrics: Sequence[str], *, module: str = "", root: str = ""
) -> tuple[Growth, ...]:
    """Why each of ``metrics`` is not what it was: its factors, and the modules that changed at the old point."""
    point = cost.point
    changed = [
        axis for axis in axes(point, old.point, factor=True) if point.value(axis.name) != old.point.value(axis.name)
    ]
    here = point.at(**{axis.name: old.point.value(axis.name) for axis in changed})
    try:
        steps = [recount(here) if changed else cost]
        for axis in changed:
            here = here.at(**{axis.name: point.value(axis.name)})
            steps.append(cost if here == point else recount(here))
    except BudgetError as error:
        note = f"The model as it is now cannot be counted at {here}: {str(error).splitlines()[0]}"
        return tuple(
            Growth(metric, old.totals[metric], cost.metric(metric, module) or 0, note=note) for metric in metrics
        )
    explained = _Explained(cost, old, steps, changed, module, root)
    return tuple(explained.growth(metric) for metric in metrics)


class _Explained:
    """A cost beside its baseline, and the ``steps`` from there: the architecture first, then each axis."""

    def __init__(
        self, cost: Cost, old: Entry, steps: Sequence[Cost], changed: Sequence[Axis], module: str, root: str
    ) -> None:
        self._cost, self._old, self._steps, self._changed, self._module = cost, old, steps, changed, module
        self._now = Entry.of(steps[0], old.name, module=module)
        self._source = lambda name, sought: locate(steps[0], name, root, **sought._asdict())

    def growth(self, metric: str) -> Growth:
        """Why one metric is not what it was."""
        old, now = self._old, self._now
        values = [old.totals[metric], *(step.metric(metric, self._module) or 0 for step in self._steps)]
        factors = [_first_factor(now, old, values[0], values[1])]
        for axis, before, after in zip(self._changed, values[1:-1], values[2:], strict=True):
            was, is_ = (at.show(axis.name) or "none" for at in (old.point, self._cost.point))
            factors.append(Factor(axis.factor, before, after, was, is_))
        found = module_changes(
            old.modules,
            now.modules,
            row_metric(metric),
            top=self._module,
            source=self._source,
            versions_differ=old.torch_version != now.torch_version,
        )
        note = _versions_note(now, old) if values[0] != values[1] else ""
        peaks = tuple(peak for peak in (old.peak, self._cost.peak) if peak is not None) if metric == "memory" else ()
        return Growth(
            metric,
            values[0],
            values[-1],
            tuple(factors),
            found.modules,
            note,
            beside(old, now, metric),
            found.follows,
            tuple(replace(peak, module="", kept={}) for peak in peaks) if len(peaks) == 2 else (),
        )


def beside(old: Entry, now: Entry, metric: str) -> tuple[str, ...]:
    """What changed of memory that is no module's, in words."""
    return tuple(_beside(old, now)) if metric == "memory" else ()


def _beside(old: Entry, now: Entry) -> Iterator[str]:
    """What changed beside the modules: the state that an optimizer has for each parameter."""
    if old.peak is None or now.peak is None:
        return
    sizes = [(one.peak.kinds["optimizer"], one.totals["trainable_params"]) for one in (old, now) if one.peak]
    was, is_ = (round(size / params) if params else 0 for size, params in sizes)
    if was != is_:
        yield f"the optimizer keeps {'more' if is_ > was else 'less'} state: {is_} bytes a parameter, was {was}"


def most_grown(metrics: Mapping[str, tuple[int, int]]) -> str:
    """The metric that grew most; if none did, the first that is not what it was, or simply the first."""
    first = next((metric for metric, (was, now) in metrics.items() if was != now), next(iter(metrics)))
    grown = {m: now / was if was else float("inf") for m, (was, now) in metrics.items() if now > was}
    return next(iter(worst_first(grown)), first)


def row_metric(metric: str) -> str:
    """What the rows of modules are compared by: what they do not have is told by their FLOPs."""
    return metric if find_metric(metric).in_rows else "flops"


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
