"""The judgement, pure: a cost and its limits in, a verdict out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ..text import units
from ..values.cost import ESTIMATES, METRICS, Cost
from ..values.growth import Comparison
from .scaling import Scaled


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
        used, before = units.show_apart(self.used, self.before, self.metric)
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
    def worst(self) -> str:
        """The metric to explain: the furthest over its limit, else the first above its baseline, else FLOPs."""
        if self.over:
            return self.over[0].metric
        return self.regressed[0].metric if self.regressed else "flops"

    def headline(self) -> str:
        """One line: ``over budget: flops 16.4 G of 4.2 G (+291 %)``, or the first problem."""
        if self.problems:
            return self.problems[0].splitlines()[0]
        if not self.over:
            steep = self.steep
            return steep[0].sentence() if steep else self.regressed[0].sentence() if self.regressed else "within budget"
        worst = self.over[0]
        assert worst.limit is not None  # a metric is over only if it has a limit
        used, limit = units.show_apart(worst.used, worst.limit, worst.metric)
        by = f" ({units.change(worst.used, worst.limit)})" if worst.limit else ""
        more = f", and {len(self.over) - 1} more" if len(self.over) > 1 else ""
        return f"over budget: {units.label(worst.metric)} {used} of {limit}{by}{more}"

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


def judge(
    cost: Cost,
    limits: Mapping[str, int],
    *,
    module: str = "",
    unknown_ops: str = "error",
    comparison: Comparison | None = None,
    tolerance: Decimal | None = None,
    recording: bool = False,
    scaling: tuple[Scaled, ...] = (),
    problems: Iterable[str] = (),
) -> Verdict:
    """Judge a cost, or that of its submodule ``module``, by its limits and by its baseline.

    Without limits a cost is judged by its baseline, with a tolerance of 0 %; with limits only if a ``tolerance``
    (percent) is given. A budget that measured nothing fails: neither limits nor a baseline to compare with,
    FLOPs of zero under a limit on compute, or, with ``unknown_ops="error"``, operators that nobody can count.
    ``recording`` a baseline, limits alone judge, and there may be none. ``scaling`` is how it grows, beside what is
    allowed, ``problems`` what kept that from being measured. Raises `UsageError` for an unknown ``module``.
    """
    seen = look(cost, module=module, unknown_ops=unknown_ops)
    judged = tuple(Judged(j.metric, j.used, limits.get(j.metric)) for j in seen.judged)
    problems = list(problems)
    by_baseline = not recording and (not (limits or scaling) or tolerance is not None)
    regressed = _regressed(judged, comparison, tolerance or Decimal(0)) if by_baseline else ()
    if by_baseline and comparison is not None and comparison.status == "not comparable":
        problems.append(
            "not comparable with its baseline\n"  # the report says why
            "Accept the numbers of this run with: pytest --budget-update"
        )
    if (
        not limits
        and not scaling
        and not problems
        and not recording
        and (comparison is None or comparison.status == "new")
    ):
        now = ", ".join(
            f'{j.metric}="{units.show_limit(j.used, j.metric)}"' for j in judged if j.metric in ("flops", "params")
        )
        problems.append(
            "no limits and no baseline: this budget could never fail.\n"
            f"Record a baseline with pytest --budget-update, or add limits; what it costs now passes {now}."
        )
    missing = [metric for metric in limits if cost.metric(metric, module) is None]
    if missing:
        problems.append(
            f"measured nothing: the counter {cost.counter!r} does not know {', '.join(missing)}, "
            "so this limit could never fail.\nLeave the limit out, or count with budget_counter = aten."
        )
    zero = [j.metric for j in judged if j.metric in _COMPUTE and j.limit is not None and j.used == 0]
    if zero:
        where = f"module {module!r}" if module else "the model"
        problems.append(
            f"measured nothing: {', '.join(zero)} of {where} came to 0, so this limit could never fail.\n"
            "Check that forward runs what is meant to be measured, or limit something that is there, such as params=."
        )
    return Verdict(judged, (*seen.problems, *problems), seen.warnings, regressed, scaling)


def _regressed(judged: Iterable[Judged], comparison: Comparison | None, tolerance: Decimal) -> tuple[Regressed, ...]:
    """The metrics that exceed their baseline by more than ``tolerance`` percent, in exact arithmetic."""
    if comparison is None or comparison.status != "changed" or comparison.before is None:
        return ()
    allowed = 1 + Fraction(tolerance) / 100
    pairs = [(j, comparison.before[j.metric]) for j in judged if j.metric in comparison.before]
    return tuple(Regressed(j.metric, j.used, was, f"{tolerance:f}") for j, was in pairs if j.used > was * allowed)


_COMPUTE = ("flops", "macs", "activations", *ESTIMATES)


def look(cost: Cost, *, module: str = "", unknown_ops: str = "error") -> Verdict:
    """A verdict without limits: the numbers, and whether everything behind them was counted."""
    judged = []
    for metric in (*METRICS, *ESTIMATES):
        used = cost.metric(metric, module)
        if used is not None:
            judged.append(Judged(metric, used, None))
    unknown = uncounted(cost, module)
    return Verdict(
        tuple(judged),
        problems=(unknown,) if unknown and unknown_ops == "error" else (),
        warnings=(unknown,) if unknown and unknown_ops != "error" else (),
    )


def uncounted(cost: Cost, module: str = "") -> str:
    """What could not be counted, by operator and module, with the remedy; empty if everything was."""
    lines = []
    for name, calls in sorted(cost.uncounted.items()):
        anywhere = where = cost.uncounted_in.get(name, ())
        if module:
            where = tuple(w for w in anywhere if w == module or w.startswith(module + "."))
            if not where:
                continue
        shown = ", ".join(w or "the model itself" for w in where[:3]) + (
            f" and {len(where) - 3} more" if len(where) > 3 else ""
        )
        rest = "," if where == anywhere else " of the model, some"
        lines.append(f"    {name}: {calls} call{'s' if calls != 1 else ''}{rest} in {shown}")
    if not lines:
        return ""
    have = "operators have" if len(lines) > 1 else "operator has"
    return "\n".join(
        [
            f"not counted: {len(lines)} {have} no formula, so the numbers are too low",
            *lines,
            "Teach it with torch.utils.flop_counter.register_flop_formula, or set budget_unknown_ops = warn.",
        ]
    )
