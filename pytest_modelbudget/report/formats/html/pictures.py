"""The pictures of an entry on the HTML page: bars from the baseline to now, and where the cost is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ....text import units
from ....text.line import shown
from ....values.growth import Growth
from ....values.metrics import show, title_of
from ....values.result import Result
from ...parts.factors import became, times
from .icicle import Box, icicle


@dataclass(frozen=True)
class Bar:
    """One step from the baseline to now; ``width`` is a part of the largest."""

    label: str
    text: str
    width: float


@dataclass(frozen=True)
class Drawn:
    """A box of a picture with its texts and what became of the module."""

    box: Box
    label: str
    share: str
    title: str
    status: str


@dataclass(frozen=True)
class Picture:
    """Where the cost is, before or now."""

    title: str
    boxes: Sequence[Drawn]
    levels: int


def bars(result: Result, growth: Growth | None) -> tuple[list[Bar], float | None]:
    """The steps from the baseline to now, and where the limit stands among them."""
    if growth is None or not growth.factors:
        return [], None
    steps = [("baseline", growth.before)]
    for factor in growth.factors:
        moved = became(factor)
        if factor.before != factor.after or moved:
            ratio = times(factor.ratio) if factor.before else "from 0"
            steps.append((f"{shown(factor.name)} {ratio}{moved}", factor.after))
    limit = next((judged.limit for judged in result.verdict.judged if judged.metric == growth.metric), None)
    full = max(value for _, value in [*steps, ("", limit or 0)]) or 1
    found = [Bar(label, show(value, growth.metric), value / full) for label, value in steps]
    return found, limit / full if limit is not None else None


def pictures(
    result: Result, growth: Growth | None, metric: str, now: Mapping[str, int], before: Mapping[str, int]
) -> list[Picture]:
    """The modules by what they cost now and, with the rows of the baseline, before."""
    top = result.module
    statuses: dict[str, str] = {}
    earlier: dict[str, str] = {}
    for change in growth.modules if growth is not None else ():
        if change.status != "removed":
            statuses |= dict.fromkeys((change.name, *change.alike), change.status)
        if change.status != "added":
            earlier[change.was_name] = change.status
    whole = max(now.get(top, 0), before.get(top, 0)) if one_scale(now.get(top, 0), before.get(top, 0)) else 0
    trees = [("Now", str(result.cost.point), now, statuses)]
    if before:
        trees.insert(0, ("Before", baseline_point(result), dict(before), earlier))
    drawn = []
    for word, point, tree, marks in trees:
        boxes = icicle(tree, top=top, whole=whole)
        if boxes:
            title = f"{word}: {title_of(metric)} {show(tree[top], metric)} at {point}"
            found = [_drawn(box, metric, tree[top], marks, result.cost.model) for box in boxes]
            drawn.append(Picture(title, found, 1 + max(box.level for box in boxes)))
    return drawn


def baseline_point(result: Result) -> str:
    """Where the baseline was counted, in words."""
    point = result.comparison.point if result.comparison is not None else None
    return str(point) if point is not None else "an unknown operating point"


def one_scale(now: int, before: int) -> bool:
    """Whether both pictures can be drawn to one scale, and the smaller can still be read."""
    return min(now, before) * 5 >= max(now, before) * 2


def _drawn(box: Box, metric: str, whole: int, marks: Mapping[str, str], model: str) -> Drawn:
    share = units.share(box.value, whole)
    last = box.name.rpartition(".")[2] or model
    title = f"{shown(box.name) or shown(model)}: {show(box.value, metric)}, {share}"
    status = marks.get(box.name, "")
    return Drawn(box, shown(last, 60), share, f"{title}, {status}" if status else title, status)
