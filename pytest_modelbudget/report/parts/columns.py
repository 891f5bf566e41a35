"""Columns of metrics in tables of entries: which there are, and what the cell of an entry says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...text import units
from ...values.metrics import find_metric, metric_names, show, show_apart
from ...values.result import Result


@dataclass(frozen=True)
class Cell:
    """Texts for one metric. ``budget`` and ``since`` are empty where there is no limit or no baseline."""

    number: int
    used: str
    budget: str
    since: str
    failed: bool


def columns(results: Sequence[Result]) -> list[str]:
    """The metrics worth a column: the headline ones, what has a limit, and what an entry fails for alone."""
    wanted = {*limited_columns(results)}
    for result in results:
        if result.verdict.regressed and not wanted & {regressed.metric for regressed in result.verdict.regressed}:
            wanted.add(result.verdict.worst)
    return [metric for metric in metric_names() if metric in wanted]


def limited_columns(results: Iterable[Result]) -> list[str]:
    """The headline metrics that every count has, and what has a limit."""
    wanted = {*metric_names(headline=True, always=True)}
    for result in results:
        wanted.update(judged.metric for judged in result.verdict.judged if judged.limit is not None)
    return [metric for metric in metric_names() if metric in wanted]


def cell(result: Result, metric: str) -> Cell | None:
    """``20 G``, ``250 % of 8 G``, ``+400 % (was 4 G)``; ``None`` where the metric was not measured."""
    judged = next((judged for judged in result.verdict.judged if judged.metric == metric), None)
    if judged is None:
        return None
    used, limit, comparison = judged.used, judged.limit, result.comparison
    texts = [show(used, metric)]
    budget = since = ""
    if limit is not None:
        text, limit_text = show_apart(used, limit, metric)
        texts.append(text)
        budget = f"{units.share(used, limit)} of {limit_text}" if limit else "of 0"
    before = None
    if comparison is not None and comparison.before is not None and comparison.status != "not comparable":
        before = comparison.before.get(metric)
    if before is not None:
        text, before_text = show_apart(used, before, metric)
        texts.append(text)
        since = "unchanged" if before == used else f"{_change(used, before)} (was {before_text})"
    elif comparison is not None and comparison.status in ("new", "not comparable") and not find_metric(metric).estimate:
        since = comparison.status
    failed = judged.over or any(regressed.metric == metric for regressed in result.verdict.regressed)
    return Cell(used, max(texts, key=len), budget, since, failed)


def _change(now: int, before: int) -> str:
    return units.change(now, before) if before else "up from nothing"
