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
from .peak import Peak
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
    """A module that was ``added``, ``removed``, ``changed`` or ``renamed``, or ``times`` of them that repeat.

    ``name`` is that of a row (`ModuleRow`). ``before`` and ``after`` are the metric: of a module that is in both, what
    is its own; with everything below, where that is new, gone, replaced or renamed as a whole. ``own`` is how much
    the module's own change adds or takes: not what it costs more because it is given more. ``was_name``, ``was_kind``
    and ``was_config`` are those of the baseline, empty for an added module. ``alike`` are other modules in which the
    same line makes the same change: numbers are the sums of all. ``what`` says in words what class and configuration
    do not say; ``inside`` are the changes in a module that was renamed.
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
    times: int = 1
    own: int = 0
    alike: tuple[str, ...] = ()
    what: tuple[str, ...] = ()
    inside: tuple[ModuleChange, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        inside = [change.to_dict() for change in self.inside]
        return {**vars(self), "alike": list(self.alike), "what": list(self.what), "inside": inside}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ModuleChange:
        """The inverse of `to_dict`."""
        inside = tuple(cls.from_dict(change) for change in data["inside"])
        return cls(**{**data, "alike": tuple(data["alike"]), "what": tuple(data["what"]), "inside": inside})


@dataclass(frozen=True)
class Followed:
    """What follows from the changes: ``modules`` that did not change cost ``after`` instead of ``before``."""

    modules: int
    before: int
    after: int


@dataclass(frozen=True)
class Growth:
    """Why one metric grew (or shrank): factors that multiply to the total, and the modules that changed.

    Modules are compared at the old operating point, so that they show the architecture alone: those whose own change
    adds the most first, and then what ``follows`` from these. ``beside`` says what changed that is
    no module's. For memory, ``peaks`` are before and now. ``note`` says
    what could not be separated, and why.
    """

    metric: str
    before: int
    after: int
    factors: tuple[Factor, ...] = ()
    modules: tuple[ModuleChange, ...] = ()
    note: str = ""
    beside: tuple[str, ...] = ()
    follows: Followed | None = None
    peaks: tuple[Peak, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **vars(self),
            "factors": [dict(vars(factor)) for factor in self.factors],
            "modules": [change.to_dict() for change in self.modules],
            "beside": list(self.beside),
            "follows": dict(vars(self.follows)) if self.follows is not None else None,
            "peaks": [peak.to_dict() for peak in self.peaks],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Growth:
        """The inverse of `to_dict`."""
        fields = dict(data)
        fields["factors"] = tuple(Factor(**factor) for factor in data["factors"])
        fields["modules"] = tuple(ModuleChange.from_dict(change) for change in data["modules"])
        fields["beside"] = tuple(data["beside"])
        fields["follows"] = Followed(**data["follows"]) if data["follows"] is not None else None
        fields["peaks"] = tuple(Peak(**peak) for peak in data["peaks"])
        return cls(**fields)


@dataclass(frozen=True)
class Comparison:
    """A cost beside its baseline. ``status``: ``new``, ``same``, ``changed`` or ``not comparable`` (see ``reason``).

    ``before`` has the baseline's totals by metric, ``point`` its operating point. ``growth`` explains the metric that
    the verdict is about, ``others`` those that fail beside it.
    """

    status: str
    reason: str = ""
    before: Mapping[str, int] | None = None
    point: OperatingPoint | None = None
    growth: Growth | None = None
    others: tuple[Growth, ...] = ()

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
        return {
            "status": self.status,
            "reason": self.reason,
            "before": dict(self.before) if self.before is not None else None,
            "point": self.point.to_dict() if self.point is not None else None,
            "growth": self.growth.to_dict() if self.growth is not None else None,
            "others": [growth.to_dict() for growth in self.others],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Comparison:
        """The inverse of `to_dict`."""
        growth = Growth.from_dict(data["growth"]) if data["growth"] is not None else None
        others = tuple(Growth.from_dict(other) for other in data["others"])
        point = OperatingPoint.from_dict(data["point"]) if data["point"] is not None else None
        return cls(data["status"], data["reason"], data["before"], point, growth, others)
