"""How a metric grows over an axis, in words: a floor and a slope for bytes, an exponent for work."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from ...text.units import BYTES
from ...values.metrics import find_metric, show
from ...values.point import find_axis

_STRAIGHT = 0.005
"""How far from a line a point may be that is said to be on it, as a part of its value; a floor may vary as much."""


def growth_text(points: Sequence[tuple[int, int]], metric: str, axis: str) -> str:
    """``223 MiB + 3.1 MiB a sample from batch 9``, or ``grows as res^2.00``; the points by their place, in order.

    Bytes have a part that is always there, so that no power says how they grow. They are on a line with a floor; or
    they stay at the floor until the line of the last points, which is of another part of a step, comes above it.
    """
    if len(points) < 2:
        return "one point"
    if find_metric(metric).unit is BYTES:
        text = _floor_and_slope([(_measure(x, axis), y) for x, y in points], metric, axis)
        if text:
            return text
    exponent = growth_exponent(points)
    return f"grows as {axis}^{exponent:.2f}" if exponent is not None else "nothing"


def growth_exponent(points: Sequence[tuple[int, int]]) -> float | None:
    """The slope of a straight line through the points on log axes, by least squares."""
    logs = [(math.log(x), math.log(y)) for x, y in points if y > 0]
    if len(logs) < 2:
        return None
    return statistics.linear_regression([x for x, _ in logs], [y for _, y in logs]).slope


def _measure(place: int, axis: str) -> float:
    """What is counted along an axis: samples, tokens; of a resolution, pixels."""
    return float(place ** find_axis(axis).power)


def _floor_and_slope(points: Sequence[tuple[float, int]], metric: str, axis: str) -> str:
    """The line that the last points are on, in words; empty where the points before are neither on it nor level."""
    (x1, y1), (x2, y2) = points[-2:]
    slope = (y2 - y1) / (x2 - x1)
    start = y2 - slope * x2
    first = len(points) - 2
    while first and _is_on(points[first - 1], start, slope):
        first -= 1
    if slope < 1:
        return f"{show(y2, metric)}, whatever the {axis}" if not first else ""
    rises = f"{show(round(slope), metric)} {find_axis(axis).each}"
    if not first:
        return f"{show(round(max(start, 0)), metric)} + {rises}" if start >= -_STRAIGHT * y2 else ""
    level = [y for _, y in points[:first]]
    if max(level) - min(level) > _STRAIGHT * max(level):
        return ""
    begins = math.ceil(((max(level) - start) / slope) ** (1 / find_axis(axis).power) - 1e-6)
    return f"{show(max(level), metric)} + {rises} from {axis} {begins}"


def _is_on(point: tuple[float, int], start: float, slope: float) -> bool:
    x, y = point
    return abs(start + slope * x - y) <= _STRAIGHT * y
