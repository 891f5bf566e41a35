"""What would fit the limits, as text."""

from __future__ import annotations

from ...values.point import axis_names
from ...values.result import Result


def fits_line(result: Result) -> list[str]:
    """``fits   batch <= 12, or res <= 208``; of one alone also what it holds for: ``fits   res <= 226 at batch 1``."""
    if not result.remedies:
        return []
    text = ", or ".join(f"{remedy.size} <= {remedy.at_most}" for remedy in result.remedies)
    point, size = result.cost.point, result.remedies[0].size
    held = [
        f"{name} {point.show(name)}" for name in axis_names(point, ordered=True) if name != size and point.show(name)
    ]
    alone = len(result.remedies) == 1 and held
    return [f"fits   {text} at {', '.join(held)}" if alone else f"fits   {text}"]
