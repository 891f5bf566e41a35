"""How FLOPs and parameters grow with batch, resolution and sequence: exponents as budgets, measured between octaves.

FLOPs are compared at two sizes, one twice the other, as large as the model accepts up to 64 times the operating point:
there, the borders of convolutions without padding and the rounding of windows have faded, and a part that grows
faster shows. Each part is compared with itself, an operator call where both runs make the same calls, else all calls
of an operator in a module. So a small part that grows too fast is not hidden by a large one that does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ..errors import BudgetError, UsageError, nearest
from ..values.cost import Cost
from ..values.course import Course
from ..values.point import OperatingPoint, axis_names
from ..values.verdict import Scaled

_OCTAVES = 6

CountAt = Callable[[OperatingPoint], tuple[Cost, Course]]
"""Counts the model at a point and tells how. Raises `BudgetError` where it cannot run there."""


def parse_scaling(value: Any, dims: Iterable[str]) -> dict[str, str]:
    """Check the argument ``scaling=``: names to exponents. ``dims`` are the user's own. Raises `UsageError`."""
    if not isinstance(value, Mapping) or not value:
        raise UsageError(f'scaling={value!r} is not a mapping such as {{"batch": 1, "res": 2}}.')
    found, allowed = (
        {},
        (*axis_names(ordered=True), *dims, "params"),
    )  # of FLOPs along an axis, of the parameters along each
    for name, exponent in value.items():
        if name not in allowed:
            raise UsageError(
                f"scaling={value!r}: {name!r} is not what something grows with. Allowed: "
                f"{', '.join(map(repr, allowed))}.{nearest(str(name), allowed)}"
            )
        number = Decimal("nan")
        if isinstance(exponent, (int, float, Decimal)) and not isinstance(exponent, bool):
            number = Decimal(str(exponent))
        if not number.is_finite() or not 0 <= number <= 10 or number != round(number, 2):
            raise UsageError(
                f"scaling={value!r}: {exponent!r} is not an exponent. Write a number from 0 to 10, "
                "with two decimals at most, such as 2 or 1.5."
            )
        found[str(name)] = f"{number.normalize():f}"
    return found


def measure_scaling(
    allowed: Mapping[str, str], cost: Cost, count: CountAt, *, module: str = ""
) -> tuple[tuple[Scaled, ...], tuple[str, ...]]:
    """What grows most with each dimension, in the model or in ``module``, and what could not be measured, and why.

    Raises `UsageError` for a dimension that the operating point does not have.
    """
    found: list[Scaled] = []
    problems: dict[str, str] = {}
    ordered = axis_names(cost.point, ordered=True)
    for name, exponent in allowed.items():
        dimensions = [d for d in ordered if cost.point.value(d) is not None] if name == "params" else [name]
        if not dimensions or cost.point.value(dimensions[0]) is None:
            missing = f"none of {', '.join(ordered)}" if name == "params" else f"no {name}"
            raise UsageError(f"scaling={{{name!r}: {exponent}}}: the operating point has {missing}. Give one.")
        for dimension in dimensions:
            try:
                if name == "params":
                    found.append(_params(exponent, cost, dimension, count, module))
                else:
                    found.append(_flops(exponent, cost, dimension, count, module))
            except BudgetError as error:
                first = str(error).splitlines()[0]
                problems.setdefault(dimension, first)
    return tuple(found), tuple(
        f"scaling not measured: the model takes no other {dimension} than {_size(cost.point, dimension)}\n"
        f"    {first}\n"
        f"Let it take twice or half of that, or leave out of scaling= what needs it."
        for dimension, first in problems.items()
    )


def _at(point: OperatingPoint, dimension: str, octave: int) -> OperatingPoint | None:
    """The point with one dimension doubled (or halved) so many times; ``None`` where that is not whole."""
    value = point.value(dimension)
    sides = value if isinstance(value, tuple) else (value,)
    moved = [Fraction(side) * Fraction(2) ** octave for side in sides]
    if any(side.denominator != 1 for side in moved):
        return None
    sizes = tuple(int(side) for side in moved)
    changed: Any = sizes if isinstance(value, tuple) else sizes[0]
    return point.at(**{dimension: changed})


def _size(point: OperatingPoint, dimension: str) -> int:
    value = point.value(dimension)
    return int(value[0] if isinstance(value, tuple) else value)


def _params(exponent: str, cost: Cost, dimension: str, count: CountAt, module: str) -> Scaled:
    try:
        low, high = cost, _count(cost.point, dimension, 1, count)[0]
    except BudgetError as refused:
        try:
            low, high = _count(cost.point, dimension, -1, count)[0], cost
        except BudgetError:
            raise refused from None
    before, after = low.metric("params", module) or 0, high.metric("params", module) or 0
    culprit = _culprit(low, high, module) if before != after else module
    if culprit != module:
        before = low.modules[culprit].params if culprit in low.modules else 0
        after = high.modules[culprit].params if culprit in high.modules else 0
    sizes = _size(low.point, dimension), _size(high.point, dimension)
    return Scaled("params", dimension, exponent, *sizes, before, after, culprit)


def _culprit(low: Cost, high: Cost, module: str) -> str:
    """The deepest module whose parameters differ as those of the whole do most."""
    here = module
    while True:
        below = [n for n in {**low.modules, **high.modules} if n and n.rpartition(".")[0] == here and n != here]
        moved = {n: abs(_params_of(high, n) - _params_of(low, n)) for n in below}
        most = max(moved, key=lambda n: moved[n], default="")
        if not most or not moved[most]:
            return here
        here = most


def _params_of(cost: Cost, name: str) -> int:
    return cost.modules[name].params if name in cost.modules else 0


def _count(point: OperatingPoint, dimension: str, octave: int, count: CountAt) -> tuple[Cost, Course]:
    at = _at(point, dimension, octave)
    if at is None:
        raise UsageError(f"{dimension} {_size(point, dimension)} has no half.")
    return count(at)


def _flops(exponent: str, cost: Cost, dimension: str, count: CountAt, module: str) -> Scaled:
    """Between the two largest octaves that the model accepts; of one that runs for real, or in loops, the nearest."""
    point = cost.point
    here = _count(point, dimension, 0, count)
    try:
        twice = _count(point, dimension, 1, count)
    except BudgetError as refused:
        try:
            return _growth(exponent, dimension, _count(point, dimension, -1, count), here, module)
        except BudgetError:
            raise refused from None
    low, high = here, twice
    loops = len(twice[1].calls) > 1.5 * len(here[1].calls)
    for octave in range(_OCTAVES, 1, -1) if cost.executed == "meta" and not loops else ():
        try:
            low, high = _count(point, dimension, octave - 1, count), _count(point, dimension, octave, count)
            break
        except BudgetError:
            continue  # too large for it: the next smaller one
    return _growth(exponent, dimension, low, high, module)


def _growth(exponent: str, dimension: str, low: tuple[Cost, Course], high: tuple[Cost, Course], module: str) -> Scaled:
    """The part that grows most, if that is too much; else the whole."""
    sizes = _size(low[0].point, dimension), _size(high[0].point, dimension)

    def scaled(before: int, after: int, module: str, operator: str = "") -> Scaled:
        return Scaled("flops", dimension, exponent, *sizes, before, after, module, operator)

    whole = scaled(low[0].metric("flops", module) or 0, high[0].metric("flops", module) or 0, module)
    was, now = _parts(*low, module), _parts(*high, module)
    if [part[:2] for part in was] == [part[:2] for part in now]:
        pairs = [(one[2], other[2], one[0], one[1]) for one, other in zip(was, now, strict=True)]
    else:
        sums, later = _summed(was), _summed(now)
        pairs = [(sums[part], later[part], part[0], part[1]) for part in {**sums, **later}]
    parts = [scaled(before, after, where, operator) for before, after, where, operator in pairs]
    there = [part for part in parts if part.before]
    fastest = max(there, key=lambda part: (part.exponent, part.after), default=whole)
    if fastest.over:
        return fastest
    if whole.over:  # something came up between the two sizes
        return max(parts, key=lambda part: part.after - part.before)
    return whole


_Part = tuple[str, str, int]


def _parts(cost: Cost, course: Course, module: str) -> list[_Part]:
    """Module, operator and FLOPs of each call inside ``module``."""
    column = 2 if cost.convention == "torch" else 1
    inside = f"{module}." if module else ""
    return [
        (event.key[1], event.key[2], event.values[column])
        for event in course.calls
        if not module or event.key[1] == module or event.key[1].startswith(inside)
    ]


def _summed(parts: list[_Part]) -> Counter[tuple[str, str]]:
    sums: Counter[tuple[str, str]] = Counter()
    for module, operator, flops in parts:
        sums[module, operator] += flops
    return sums
