"""Verdicts as values: metrics against their limits and baselines, growth against its exponents, and what would fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ..text import units
from .metrics import find_metric, show_apart

MARGIN = Fraction(1, 10)
"""How far above the allowed exponent that of FLOPs may be: 2 ** 0.1 is 7 % from one octave to the next."""

ABOUT = 0.8
"""Growth of so much of the largest is about as large: a wider layer has somewhat more parameters than FLOPs."""


def worst_first(ratios: Mapping[str, float]) -> list[str]:
    """Metrics by how many times as much they are: what grew most first; what grew about as much, in its order.

    The headline metrics come first: the others mostly say the same of something that people do not ask for.
    """
    found: list[str] = []
    headline = [metric for metric in ratios if find_metric(metric).headline]
    for left in (headline, [metric for metric in ratios if metric not in headline]):
        while left:
            most = max(ratios[metric] for metric in left) - 1
            found.append(next(m for m in left if ratios[m] - 1 >= min(most, most * ABOUT)))
            left.remove(found[-1])
    return found


@dataclass(frozen=True)
class Scaled:
    """How a model grows with one dimension: what it costs at ``low``, and at ``high``, twice that.

    ``metric`` is ``flops`` or ``params``; ``allowed`` is the largest exponent, as text. ``module`` and ``operator`` say
    which part is over, if one is: the one that grows most. They are empty for the whole model.
    """

    metric: str
    dimension: str
    allowed: str
    low: int
    high: int
    before: int
    after: int
    module: str = ""
    operator: str = ""

    @property
    def exponent(self) -> float:
        """The growth exponent between the two sizes; of what was nothing before, infinite."""
        if not self.before:
            return math.inf if self.after else 0.0
        return math.log2(Fraction(self.after, self.before)) if self.after else -math.inf

    @property
    def over(self) -> bool:
        """Whether it grows faster than is allowed, in exact arithmetic: ``after > before * 2 ** (allowed + margin)``.

        Parameters have no margin, and with an exponent of zero they may not shrink either.
        """
        allowed = Fraction(self.allowed)
        if self.metric == "params" and not allowed:
            return self.after != self.before
        power = allowed + (MARGIN if self.metric == "flops" else 0)
        times = power.denominator
        return bool(self.after**times > self.before**times * 2**power.numerator)

    def sentence(self) -> str:
        """``over budget: flops grow as res^4.00 of res^2 allowed: conv2d in 'stem', 1 G at res 7168, ...``."""
        before, after = show_apart(self.before, self.after, self.metric)
        inside = repr(self.module) if self.module else ""
        where = " in ".join(word for word in (self.operator, inside) if word)
        moved = f"{before} at {self.dimension} {self.low}, {after} at {self.high}"
        if self.metric == "params" and not Fraction(self.allowed):
            return f"over budget: params depend on {self.dimension}{f' in {inside}' if inside else ''}: {moved}"
        grows = f"{self.metric} grow as {self.power()}, allowed is {self.dimension}^{self.allowed}"
        return f"over budget: {grows}: {f'{where}, ' if where else ''}{moved}"

    def says(self) -> str:
        """``res^2.00 of 2``, or ``params over res: res^0.00 of 0``."""
        return f"{'params as ' if self.metric == 'params' else ''}{self.power()} (at most {self.allowed})"

    def power(self) -> str:
        """``res^2.00``, with as many digits as tell it from what is allowed."""
        exponent = self.exponent
        if math.isinf(exponent):
            return f"{self.dimension}^inf"
        digits = next((n for n in range(2, 10) if Decimal(f"{exponent:.{n}f}") != Decimal(self.allowed)), 2)
        return f"{self.dimension}^{exponent:.{digits if self.over else 2}f}"


@dataclass(frozen=True)
class Remedy:
    """The largest value of ``batch``, ``res`` or ``seq`` within every limit, the rest being as it is."""

    size: str
    at_most: int


@dataclass(frozen=True)
class Judged:
    """One metric against its limit; ``limit`` is ``None`` when it is only reported."""

    metric: str
    used: int
    limit: int | None

    @property
    def over(self) -> bool:
        """At the limit passes, above fails."""
        return self.limit is not None and self.used > self.limit

    @property
    def severity(self) -> float:
        """How far above the limit, as a ratio; a limit of zero is infinitely far."""
        if not self.over or self.limit is None:
            return 0.0
        return self.used / self.limit if self.limit else float("inf")


@dataclass(frozen=True)
class Regressed:
    """A metric above its baseline by more than the tolerance, which is in percent."""

    metric: str
    used: int
    before: int
    tolerance: str

    @property
    def severity(self) -> float:
        """How far above the baseline, as a ratio."""
        return self.used / self.before if self.before else float("inf")

    @property
    def growth(self) -> str:
        """How far above the baseline, in words that are more than the tolerance."""
        return units.change(self.used, self.before, beyond=Decimal(self.tolerance))

    def sentence(self) -> str:
        """``above its baseline: flops 16.4 G, was 4.11 G (+300 %, tolerance 0 %)``."""
        used, before = show_apart(self.used, self.before, self.metric)
        return f"above its baseline: {self.metric} {used}, was {before} ({self.growth}, tolerance {self.tolerance} %)"


@dataclass(frozen=True)
class Verdict:
    """The metrics judged, and why the numbers cannot be trusted, if they cannot."""

    judged: tuple[Judged, ...]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    regressed: tuple[Regressed, ...] = ()
    scaling: tuple[Scaled, ...] = ()

    @property
    def passed(self) -> bool:
        """Nothing over its limit or its baseline, and nothing wrong with the measurement."""
        return not self.problems and not self.over and not self.regressed and not self.steep

    @property
    def steep(self) -> tuple[Scaled, ...]:
        """What grows faster than it may, the furthest above first."""
        return tuple(sorted((s for s in self.scaling if s.over), key=lambda s: float(s.allowed) - s.exponent))

    @property
    def reasons(self) -> tuple[str, ...]:
        """In sentences: what is wrong with the measurement, and what grows too fast."""
        return (*self.problems, *(scaled.sentence() for scaled in self.steep))

    @property
    def over(self) -> tuple[Judged, ...]:
        """The metrics above their limits, the furthest above first."""
        return tuple(sorted((j for j in self.judged if j.over), key=lambda j: -j.severity))

    @property
    def above(self) -> tuple[Regressed, ...]:
        """The metrics above their baselines, the worst first."""
        order = worst_first({r.metric: r.severity for r in self.regressed})
        return tuple(sorted(self.regressed, key=lambda r: order.index(r.metric)))

    @property
    def failing(self) -> tuple[str, ...]:
        """The metrics that fail: those over their limits, then those above their baselines, the worst first."""
        return tuple(dict.fromkeys([*(j.metric for j in self.over), *(r.metric for r in self.above)]))

    @property
    def worst(self) -> str:
        """The metric to explain: the furthest over its limit, else the furthest above its baseline, else FLOPs."""
        return self.failing[0] if self.failing else "flops"

    def headline(self) -> str:
        """One line: ``over budget: flops 16.4 G of 4.2 G (+291 %)``, or the first problem."""
        if self.problems:
            return self.problems[0].splitlines()[0]
        if not self.over:
            steep = self.steep
            return steep[0].sentence() if steep else self.above[0].sentence() if self.regressed else "within budget"
        worst = self.over[0]
        assert worst.limit is not None  # a metric is over only if it has a limit
        used, limit = show_apart(worst.used, worst.limit, worst.metric)
        by = f" ({units.change(worst.used, worst.limit)})" if worst.limit else ""
        more = f", and {len(self.over) - 1} more" if len(self.over) > 1 else ""
        return f"over budget: {find_metric(worst.metric).label} {used} of {limit}{by}{more}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON and for other processes."""
        return {
            "passed": self.passed,
            "metrics": [vars(judged) for judged in self.judged],
            "problems": list(self.problems),
            "warnings": list(self.warnings),
            "regressed": [vars(regressed) for regressed in self.regressed],
            "scaling": [vars(scaled) for scaled in self.scaling],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Verdict:
        """The inverse of `to_dict`."""
        return cls(
            tuple(Judged(**row) for row in data["metrics"]),
            tuple(data["problems"]),
            tuple(data["warnings"]),
            tuple(Regressed(**row) for row in data["regressed"]),
            tuple(Scaled(**row) for row in data["scaling"]),
        )
