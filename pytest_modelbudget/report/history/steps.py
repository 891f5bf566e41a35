"""The steps of a history that its table and its picture show."""

from __future__ import annotations

from collections.abc import Sequence

from ...baseline.history import History, Step, steps
from ...errors import UsageError


def steps_of(history: History, metric: str, names: Sequence[str]) -> list[Step]:
    """What became of the metric of these entries. Raises `UsageError` where none of them has it."""
    found = list(steps(history, names, metric))
    if names and all(step.value is None for step in found):
        raise UsageError(f"The baseline has no {metric} of {'this entry' if len(names) == 1 else 'these entries'}.")
    return found
