"""Why a cost is not what it was: how it compares with its baseline, by which factors, and in which modules.

Values only: counting again at the old operating point is `explain`'s, in the core's hands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .cost import Cost
from .frozen import freeze
from .metrics import metric_names
from .point import OperatingPoint


@dataclass(frozen=True)
class Factor:
    """One cause of growth: the metric before and after it alone changed; ``was`` and ``now`` say what changed."""

    name: str
    before: int
    after: int
    was: str = ""
    now: str = ""

    @property
    def ratio(self) -> Fraction:
        """``after / before``, exactly; the ratios of all factors multiply to the total."""
        return Fraction(self.after, self.before) if self.before else Fraction(1)


@dataclass(frozen=True)
class ModuleChange:
    """A module that was ``added``, ``removed``, ``changed`` or ``renamed``; the metric is ``before`` and ``after``.

    ``was_name``, ``was_kind`` and ``was_config`` are those of the baseline, empty for an added module.
    """

    status: str
    name: str
    kind: str
    config: str
    before: int
    after: int
    was_name: str = ""
    was_kind: str = ""
    was_config: str = ""
    source: str = ""


@dataclass(frozen=True)
class Growth:
    """Why one metric grew (or shrank): factors that multiply to the total, and the modules that changed.

    Modules are compared at the old operating point, so that they show the architecture alone. ``note`` says what
    could not be separated, and why.
    """

    metric: str
    before: int
    after: int
    factors: tuple[Factor, ...] = ()
    modules: tuple[ModuleChange, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """A cost beside its baseline. ``status``: ``new``, ``same``, ``changed`` or ``not comparable`` (see ``reason``).

    ``before`` has the baseline's totals by metric, ``point`` its operating point.
    """

    status: str
    reason: str = ""
    before: Mapping[str, int] | None = None
    point: OperatingPoint | None = None
    growth: Growth | None = None

    def __post_init__(self) -> None:
        """Nothing in a comparison changes."""
        if self.before is not None:
            freeze(self, "before")

    def changes(self, cost: Cost, module: str = "") -> dict[str, tuple[int, int]]:
        """Every metric, of the model or of ``module``, that differs from the baseline: before and now."""
        if self.before is None or self.status == "not comparable":
            return {}
        metrics = [metric for metric in metric_names(recorded=True) if metric in self.before]
        pairs = {metric: (self.before[metric], cost.metric(metric, module)) for metric in metrics}
        return {metric: (was, is_) for metric, (was, is_) in pairs.items() if is_ is not None and was != is_}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON and for other processes."""
        growth = None
        if self.growth is not None:
            growth = {
                **vars(self.growth),
                "factors": [vars(factor) for factor in self.growth.factors],
                "modules": [vars(change) for change in self.growth.modules],
            }
        return {
            "status": self.status,
            "reason": self.reason,
            "before": dict(self.before) if self.before is not None else None,
            "point": self.point.to_dict() if self.point is not None else None,
            "growth": growth,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Comparison:
        """The inverse of `to_dict`."""
        growth = data["growth"]
        if growth is not None:
            growth = Growth(
                **{
                    **growth,
                    "factors": tuple(Factor(**factor) for factor in growth["factors"]),
                    "modules": tuple(ModuleChange(**change) for change in growth["modules"]),
                }
            )
        point = OperatingPoint.from_dict(data["point"]) if data["point"] is not None else None
        return cls(data["status"], data["reason"], data["before"], point, growth)
