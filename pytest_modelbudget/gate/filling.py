"""Limits that are to be filled in: what a run would write for them, and what it says where it does not write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..judging.budget import Budget
from ..values.cost import Cost
from ..values.metrics import parse_limit, with_headroom
from ..values.result import Result
from ..values.written import Wish
from .config import Config


def limits_now(budget: Budget, cost: Cost, config: Config) -> dict[str, int]:
    """The limits that a budget is judged by: those it has, and those that the run will write.

    What was not measured gets a limit of zero, so that the verdict says so.
    """
    written = {metric: cost.metric(metric, budget.module) or 0 for metric in _written(budget, config)}
    proposed = {m: parse_limit(with_headroom(used, m, config.headroom), m) for m, used in written.items()}
    return {**budget.limits, **proposed}


def problems(budget: Budget, cost: Cost, config: Config) -> Iterator[str]:
    """What is wrong with limits that are left open: that the run does not write them, or cannot."""
    missing = [metric for metric in budget.open if not config.write or metric not in budget.places]
    if not missing:
        return
    used = {metric: cost.metric(metric, budget.module) for metric in missing}
    known = ", ".join(f'{m}="{with_headroom(n, m, config.headroom)}"' for m, n in used.items() if n is not None)
    shown = ", ".join(f"{metric}=..." for metric in missing)
    remedy = "Write it by hand" if config.write else "Measure and write it with pytest --budget-write"
    where = ", and it is not known where it is written" if config.write else ""
    yield f"to be filled in: {shown}{where}\n{remedy}{f'; as it is now: {known}' if known else ''}."


def wishes(budgets: Iterable[Budget], results: Iterable[Result], config: Config) -> Iterator[Wish]:
    """What a run would write for the budgets of a test. What measured nothing has nothing to write."""
    for budget, result in zip(budgets, results, strict=True):
        for metric in _written(budget, config):
            used = result.cost.metric(metric, budget.module)
            if used is not None and not result.verdict.problems:
                yield Wish(result.entry, metric, used, budget.places[metric])


def _written(budget: Budget, config: Config) -> tuple[str, ...]:
    if not config.write:
        return ()
    return tuple(metric for metric in budget.places if config.write == "all" or metric in budget.open)
