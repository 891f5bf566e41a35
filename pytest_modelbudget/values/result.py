"""One measured entry as it travels: from the test that measured it to every report, in any process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .cost import Cost
from .frozen import freeze
from .growth import Comparison
from .verdict import Remedy, Verdict


@dataclass(frozen=True)
class Result:
    """A cost, its verdict, and where the budget stands: file (relative to the root) and line.

    ``comparison`` is ``None`` where no baseline was asked for. ``remedies`` say what would fit, if it is over a limit.
    ``sources`` has ``file:line`` of the modules that say where it is, if it fails.
    """

    entry: str
    nodeid: str
    path: str
    line: int
    module: str
    cost: Cost
    verdict: Verdict
    comparison: Comparison | None = None
    remedies: tuple[Remedy, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing in a result changes."""
        freeze(self, "sources")

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **vars(self),
            "cost": self.cost.to_dict(),
            "verdict": self.verdict.to_dict(),
            "comparison": self.comparison.to_dict() if self.comparison is not None else None,
            "remedies": [vars(remedy) for remedy in self.remedies],
            "sources": dict(self.sources),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Result:
        """The inverse of `to_dict`."""
        fields = dict(data)
        fields["cost"] = Cost.from_dict(fields["cost"])
        fields["verdict"] = Verdict.from_dict(fields["verdict"])
        if fields["comparison"] is not None:
            fields["comparison"] = Comparison.from_dict(fields["comparison"])
        fields["remedies"] = tuple(Remedy(**remedy) for remedy in fields["remedies"])
        return cls(**fields)
