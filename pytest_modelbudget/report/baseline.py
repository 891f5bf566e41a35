"""What a run says of the baseline at its end: what an update changed in it, and what it could say more tightly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..baseline.file import Change
from ..values.metrics import metric_names, show, show_apart
from ..values.result import Result
from .parts.standing import standing

_MOST = 10  # entries to name one by one, where the table above names them all


def update_lines(found: Iterable[Change], total: int, file: str) -> list[str]:
    """How many entries an update added, changed and removed of ``total`` that are there now, and a line for each."""
    found = list(found)
    by_status: dict[str, int] = {"added": 0, "changed": 0, "removed": 0}
    for change in found:
        by_status[change.status] += 1
    unchanged = total - by_status["added"] - by_status["changed"]
    counts = ", ".join([*(f"{number} {status}" for status, number in by_status.items()), f"{unchanged} unchanged"])
    return [f"{file}: {counts}", *map(_change_line, found)]


def _change_line(change: Change) -> str:
    before, after = change.before or {}, change.after or {}
    if change.status != "changed":
        totals = after or before
        return f"    {change.status}  {change.name}: flops {show(totals['flops'], 'flops')}"
    both = [metric for metric in metric_names(recorded=True) if metric in before and metric in after]
    moved = {metric: (before[metric], after[metric]) for metric in both if before[metric] != after[metric]}
    return f"    changed  {change.name}: {_moved(moved) or 'same totals'}"


def tighter_lines(results: Iterable[Result], file: str) -> list[str]:
    """The entries that cost less than their baseline says, and how to make it say so."""
    found = [result for result in results if standing(result) == "tighter"]
    if not found:
        return []
    many = f"{len(found)} entries" if len(found) > 1 else "1 entry"
    lines = [f"{file}: {many} can be tightened with pytest --budget-update:"]
    for result in found[:_MOST]:
        assert result.comparison is not None  # what has none is not tighter
        (metric, values), *_ = result.comparison.changes(result.cost, result.module).items()
        lines.append(f"    {result.entry}: {_moved({metric: values})}")
    return lines + ([f"    and {len(found) - _MOST} more"] if len(found) > _MOST else [])


def _moved(metrics: Mapping[str, tuple[int, int]]) -> str:
    """``flops 1.2 G -> 1.1 G, params 26 M -> 25 M``."""
    return ", ".join(f"{m} {' -> '.join(show_apart(was, now, m))}" for m, (was, now) in metrics.items())
