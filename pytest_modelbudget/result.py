"""One measured entry as it travels: from the test that measured it to every report, in any process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .cost import Cost
from .verdict import Verdict


@dataclass(frozen=True)
class Result:
    """A cost, its verdict, and where the budget stands: file (relative to the root) and line."""

    entry: str
    nodeid: str
    path: str
    line: int
    module: str
    cost: Cost
    verdict: Verdict

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**vars(self), "cost": self.cost.to_dict(), "verdict": self.verdict.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Result:
        """The inverse of `to_dict`."""
        fields = dict(data)
        fields["cost"] = Cost.from_dict(fields["cost"])
        fields["verdict"] = Verdict.from_dict(fields["verdict"])
        return cls(**fields)
