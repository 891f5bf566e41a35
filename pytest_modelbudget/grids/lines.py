"""Whether a cost is a line in the batch: decided from what a model did at three batches, not from its totals alone.

What is compared is the whole course of a count: every operator call with its cost and the sizes it returned, every
size that the model's own code compared, and all arithmetic on sizes that does not keep a line a line. The course must
be the same at the smallest, a middle and the largest batch, every number in it must lie on a line through the three
and be whole at every batch that is asked for, and every comparison and division is done again for each of them. So
``if batch > 16`` and a batch cut into chunks are seen, between the three batches, too. What cannot be seen: code
that takes sizes past us (through numpy, or C code that reads an int for itself) and changes course only *between*
the batches that were counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

from ..values.course import ARITHMETIC, COMPARISONS, Course


@dataclass(frozen=True)
class Line:
    """How the calls of one course move with the batch, a letter for each of their values.

    ``0`` is nothing, ``c`` constant, ``p`` in proportion to the batch, ``m`` a line with both. ``plain`` says that
    there is no ``m``, and that nothing else moves with the batch but what keeps a line a line: then one count
    gives all batches of a course with the same keys.
    """

    keys: tuple[Any, ...]
    kinds: tuple[str, ...]
    plain: bool


def line(counted: Sequence[tuple[int, Course]], wanted: Iterable[int]) -> Line | None:
    """The line of three courses, each with its batch, in ascending order; ``None`` where they are none.

    ``wanted`` are all the batches it must hold for.
    """
    (low, first), (middle, second), (high, third) = counted
    if first.keys != second.keys or first.keys != third.keys:
        return None
    batches = [batch for batch in wanted if batch not in (low, middle, high)]
    step = 0
    for batch in batches:
        step = gcd(step, batch - low)
    known: dict[tuple[Any, ...], str | None] = {}
    kinds, plain = [], True
    for one, two, three in zip(first.events, second.events, third.events, strict=True):
        row = (one, two.values, three.values)
        if row not in known:
            known[row] = _kind(one.key, (one.values, two.values, three.values), (low, middle, high), step, batches)
        kind = known[row]
        if kind is None:
            return None
        if one.key[0] == "call":
            kinds.append(kind)
        plain = plain and "m" not in kind
    return Line(first.keys, tuple(kinds), plain)


def _kind(
    key: tuple[Any, ...],
    values: tuple[tuple[Any, ...], ...],
    at: tuple[int, int, int],
    step: int,
    wanted: Sequence[int],
) -> str | None:
    """A letter for each value as `Line` has them; ``None`` for what is no line, or does not stay one."""
    first, second, third = values
    if key[0] == "read":
        return "c" if first == second == third else None
    low, middle, high = at
    for a, b, c in zip(first, second, third, strict=True):
        if not (isinstance(a, int) and isinstance(b, int) and isinstance(c, int)):
            if not a == b == c:
                return None
        elif (b - a) * (high - low) != (c - a) * (middle - low) or (c - a) * step % (high - low):
            return None
    kinds = "".join(_letter(a, c, low, high) for a, c in zip(first, third, strict=True))
    if key[0] == "call" or first == third:
        return kinds if key[0] == "call" else "c"
    function = (COMPARISONS if key[0] == "compare" else ARITHMETIC)[key[1]]
    for batch in wanted:
        left, right, *result = (on_line(a, c, low, high, batch) for a, c in zip(first, third, strict=True))
        if function(left, right) != (key[2] if key[0] == "compare" else result[0]):
            return None
    return "c" if key[0] == "compare" else "m"


def _letter(first: Any, last: Any, low: int, high: int) -> str:
    if first == last:
        return "c" if first else "0"
    return "p" if first * high == last * low else "m"


def on_line(first: Any, last: Any, low: int, high: int, at: int) -> Any:
    """The value at ``at`` of a line through ``(low, first)`` and ``(high, last)``, which is whole there."""
    return first if first == last else first + (last - first) * (at - low) // (high - low)
