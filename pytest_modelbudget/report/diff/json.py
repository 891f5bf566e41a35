"""Two files of costs side by side, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal

from ...baseline.diff import Difference
from .entries import beyond


def render(differences: Sequence[Difference], *, fail_on: Decimal | None = None) -> str:
    """Every entry, with its metrics before and after; ``beyond`` has those that ``fail_on`` is about."""
    data = {
        "format": "modelbudget-diff",
        "schema": 1,
        "fail_on": f"{fail_on:f}" if fail_on is not None else None,
        "passed": not any(beyond(one, fail_on) for one in differences),
        "entries": [_entry(one, fail_on) for one in differences],
    }
    return json.dumps(data, indent=1).replace("##[", "\\u0023#[")  # GitHub takes that for a command in any line


def _entry(one: Difference, fail_on: Decimal | None) -> dict[str, object]:
    sides = {"before": one.old, "after": one.new}
    return {
        "entry": one.name,
        "status": one.status,
        "reason": one.reason,
        "points": {name: side.entry.point.to_dict() if side is not None else None for name, side in sides.items()},
        "inputs": {name: side.entry.inputs if side is not None else None for name, side in sides.items()},
        "metrics": {metric: {"before": was, "after": now} for metric, (was, now) in one.metrics.items()},
        "beyond": list(one.beyond(fail_on)) if fail_on is not None else [],
        "growth": one.growth.to_dict() if one.growth is not None else None,
    }
