"""The largest batch, resolution or sequence that keeps limits, found by counting: no formula of the cost is assumed.

Growth between two counts only says where to count next. What a model refuses is not there: the steps it accepts are
found first (multiples of 32, even numbers, one size alone).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

STEPS = (1, 2, 3, 4, 6, 7, 8, 12, 14, 16, 20, 24, 28, 32, 48, 56, 64, 96, 112, 128, 192, 224, 256)
"""Distances between accepted sizes that are tried, smallest first."""


@dataclass(frozen=True)
class Look:
    """What a model costs at one size, by metric, or why it refuses it."""

    values: Mapping[str, int] = field(default_factory=dict)
    refused: str = ""

    def over(self, limits: Mapping[str, int]) -> list[str]:
        """The metrics above their limits, the furthest above first."""
        found = [metric for metric, limit in limits.items() if self.values.get(metric, 0) > limit]
        return sorted(found, key=lambda metric: -self.fill(limits, metric))

    def fill(self, limits: Mapping[str, int], metric: str = "") -> float:
        """How full a limit is, as a ratio; of all, the fullest."""
        shares = [
            value / limit if limit else math.inf if value else 0.0
            for name, limit in limits.items()
            if metric in ("", name) and (value := self.values.get(name, 0)) >= 0
        ]
        return max(shares, default=0.0)


class SearchEnded(Exception):
    """More counts were wanted than were allowed."""


class Search:
    """Looks at sizes, each once. ``look`` counts, ``cap`` is the largest size, ``most`` the number of counts allowed.

    ``power`` is how cost is expected to grow, for the first guess.
    """

    def __init__(
        self,
        look: Callable[[int], Look],
        limits: Mapping[str, int],
        *,
        cap: int,
        power: float = 1.0,
        most: int | None = None,
    ) -> None:
        self._look, self._limits, self._cap, self._power, self._most = look, limits, cap, power, most
        self.seen: dict[int, Look] = {}

    def at(self, size: int) -> Look:
        """The look at one size. Raises `SearchEnded`."""
        if size not in self.seen:
            if self._most is not None and len(self.seen) >= self._most:
                raise SearchEnded
            self.seen[size] = self._look(size)
        return self.seen[size]

    def fits(self, size: int) -> bool:
        """Whether a size is accepted and within every limit."""
        found = self.at(size)
        return not found.refused and not found.over(self._limits)

    def step(self, base: int) -> int:
        """The distance to the nearest other size that is accepted; 0 if there is none near."""
        for step in STEPS:
            for size in (base + step, base - step):
                if 1 <= size <= self._cap and not self.at(size).refused:
                    return step
        return 0

    def largest(self, base: int, *, thorough: bool = True) -> int | None:
        """The largest size that fits; ``base`` is one that is accepted.

        ``thorough`` also looks at some sizes beyond the first that does not fit, where a model may be cheaper again.
        """
        step = self.step(base)
        if not step:
            return base if self.fits(base) else None
        low = base if self.fits(base) else self._below(base, step)
        if low is None:
            return None
        while True:
            low = self._above(low, step)
            beyond = self._beyond(low, step) if thorough else None
            if beyond is None:
                return low
            low = beyond

    def _below(self, base: int, step: int) -> int | None:
        """Some size that fits below one that is over, if there is one."""
        high, low = base, (base - 1) % step + 1 - step  # low is outside
        while high - low > step:
            for halving in (False, True):  # where growth points to, then the middle of what that leaves
                middle = self._snap((low + high) // 2, base, step)
                if halving and (not low < middle < high or middle in self.seen):
                    continue
                size = middle if halving else self._guess(high, (low + step, high - step), base, step)
                found = self.at(size)
                if found.refused:
                    low = size
                elif found.over(self._limits):
                    high = size
                else:
                    return size
        return None

    def _above(self, low: int, step: int) -> int:
        """From a size that fits to the last one that does before one that does not."""
        high: int | None = None
        turn = 0
        while high is None or high - low > step:
            if high is None:
                top = self._snap(self._cap, low, step)
                if top <= low:
                    return low
                guess = self._guess(low, (low + step, top), low, step)
            else:
                turn += 1
                guess = self._snap((low + high) // 2, low, step)
                if turn % 3 and not self.at(high).refused:
                    guess = self._between(low, high, step)
            if self.fits(guess):
                low = guess
            else:
                high = guess
        return low

    def _guess(self, known: int, ends: tuple[int, int], base: int, step: int) -> int:
        """Where the limit would be if cost grew from a known size as it has so far."""
        fill, power = self.at(known).fill(self._limits), self._growth(known)
        first, last = ends
        if fill == 0 or power <= 0:
            size = float(last)
        elif math.isinf(fill):
            size = float(first)
        else:
            size = known * math.exp(min(-math.log(max(fill, 1e-12)) / power, math.log(1e9)))
        return min(max(self._snap(int(min(size, float(last))), base, step), first), last)

    def _growth(self, known: int) -> float:
        """The exponent between the known size and the nearest below it that was accepted."""
        fill = self.at(known).fill(self._limits)
        below = [size for size, look in self.seen.items() if size * 4 < known * 3 and not look.refused]
        if not below or not 0 < fill < math.inf:
            return self._power
        other = max(below)
        was = self.at(other).fill(self._limits)
        return math.log(fill / was) / math.log(known / other) if was > 0 else self._power

    def _between(self, low: int, high: int, step: int) -> int:
        """Where a line through two counts, on log axes, crosses the limit."""
        first, last = self.at(low).fill(self._limits), self.at(high).fill(self._limits)
        if not 0 < first < last < math.inf:
            return self._snap((low + high) // 2, low, step)
        part = -math.log(first) / (math.log(last) - math.log(first))
        size = math.exp(math.log(low) + part * (math.log(high) - math.log(low)))
        return min(max(self._snap(int(size + 1e-9 * size), low, step), low + step), high - step)

    def _beyond(self, low: int, step: int) -> int | None:
        """A size that fits past one that does not: the next few steps, and some up to three octaves on."""
        near = [low + step * number for number in (2, 3, 4)]
        far = [self._snap(low * quarters // 4, low, step) for quarters in (5, 6, 8, 12, 16, 32)]
        return next((size for size in (*near, *far) if low < size <= self._cap and self.fits(size)), None)

    @staticmethod
    def _snap(size: int, base: int, step: int) -> int:
        """The accepted size at ``size`` or just below it."""
        return base + (size - base) // step * step
