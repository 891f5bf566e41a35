"""From a test's budgets, and the model it names, to results. Knows no pytest: the plugin passes in what it needs."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..counting.measure import count
from ..counting.model.target import Prebuilt
from ..counting.recording.course import record_course
from ..errors import BudgetError, UsageError
from ..judging.budget import Budget
from ..judging.comparison import compare
from ..judging.growth import Recount, explain, most_grown
from ..judging.judge import judge, look
from ..judging.remedy import remedies
from ..judging.scaling import measure_scaling
from ..report.parts.where import sources_of
from ..values.cost import Cost
from ..values.course import Course
from ..values.entry import Entry
from ..values.growth import Comparison
from ..values.point import OperatingPoint
from ..values.request import Request
from ..values.result import Result
from ..values.verdict import Scaled
from . import filling
from .config import Config
from .subject import Body, TestCase, find_model, misnamed_size, named_values


def evaluate(
    budgets: list[Budget], test: TestCase, body: Body, config: Config, baseline: Mapping[str, Entry]
) -> list[Result]:
    """Measure every budget of a test, compare it with its baseline and judge it.

    Raises `BudgetError` where there is nothing to measure.
    """
    results = []
    for budget, entry in zip(budgets, _entries(budgets, test), strict=True):
        found = find_model(budget, test, body.returned)
        named = named_values(budget, test)
        asked = budget.request(test.sizes, test.own_sizes, named=named, usual=found.usual)
        request = replace(asked, **config.settings()).checked()
        target = _target(found.model, body, request.point)
        hint = misnamed_size(test, budget)
        cost = _counted(target, request, hint)
        tolerance = budget.tolerance if budget.tolerance is not None else config.tolerance
        comparison = _compared(cost, entry, baseline, config, budget.module)
        recount = _recount(budget, test, body, target, request)
        scaling, problems = _scaling(budget, cost, recount)
        missed = _missed(entry, baseline, config, test.root)
        unapplied = _unapplied(budget, missed)
        limits = filling.limits_now(budget, cost, config)
        verdict = judge(
            cost,
            limits,
            module=budget.module,
            unknown_ops=config.unknown_ops,
            comparison=comparison,
            tolerance=tolerance,
            recording=config.update,
            scaling=scaling,
            problems=(*problems, *filling.problems(budget, cost, config), *(unapplied if config.strict else ())),
            warnings=(*([hint] if hint else []), *(() if config.strict else unapplied)),
            missed=missed,
        )
        fits = remedies(cost, limits, recount, module=budget.module) if config.counter == "aten" else ()
        result = Result(entry, test.nodeid, test.path, test.line, budget.module, cost, verdict, comparison, fits)
        result = _explained(result, baseline, recount, test.root)
        results.append(replace(result, sources={} if verdict.passed else sources_of(result, test.root)))
    return results


def _target(model: Any, body: Body, point: OperatingPoint) -> Any:
    """What is counted for a model. One that a test returns, spread over ranks, is built in their process group."""
    if model is not body.returned or body.again is None:
        return model
    if point.world is not None:
        return body.again
    return Prebuilt(model, body.again) if body.on_meta else model


def _counted(target: Any, request: Request, hint: str) -> Cost:
    """The cost, or an error that has the ``hint``, too: a size that has another name in the test may be missing."""
    try:
        return count(target, request)
    except UsageError as error:
        if not hint:
            raise
        raise UsageError(f"{error}\n{hint}") from error


def _missed(entry: str, baseline: Mapping[str, Entry], config: Config, root: str) -> str:
    """Which baseline was looked for where there is none to compare with, or an empty text."""
    if config.update or entry in baseline:
        return ""
    path = config.baseline
    if not path.exists():
        return f"There is no {path}"
    file = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    return f"{file} has no entry {entry}"


def _unapplied(budget: Budget, missed: str) -> tuple[str, ...]:
    """That a marker's ``tolerance`` held nothing, since there is no baseline to be near to."""
    if budget.tolerance is None or not missed or not (budget.limits or budget.scaling):
        return ()
    why = f"tolerance={budget.tolerance:f}% was not applied, since nothing is recorded"
    return (f"{why}\n{missed}. Record it with pytest --budget-update.",)


def _scaling(budget: Budget, cost: Cost, recount: Recount) -> tuple[tuple[Scaled, ...], tuple[str, ...]]:
    """How the model grows with what the budget names, and what kept that from being measured."""
    if budget.scaling is None:
        return (), ()
    known: dict[OperatingPoint, tuple[Cost, Course] | BudgetError] = {}

    def count_at(point: OperatingPoint) -> tuple[Cost, Course]:
        if point not in known:
            with record_course() as recorder:
                try:
                    known[point] = recount(point), recorder.course()
                except BudgetError as error:
                    known[point] = error
        found = known[point]
        if isinstance(found, BudgetError):
            raise found
        return found

    return measure_scaling(budget.scaling, cost, count_at, module=budget.module)


def _compared(
    cost: Cost, entry: str, baseline: Mapping[str, Entry], config: Config, module: str = ""
) -> Comparison | None:
    if config.update or not baseline:
        return None
    return compare(baseline.get(entry), Entry.of(cost, entry, module=module))


def _explained(result: Result, baseline: Mapping[str, Entry], recount: Recount, root: str) -> Result:
    """A result with why it is not what its baseline says: the metric that the verdict is about, and others that fail.

    Where nothing fails, it is the metric that grew most.
    """
    cost, verdict, comparison = result.cost, result.verdict, result.comparison
    if comparison is None or comparison.status != "changed":
        return result
    changed = comparison.changes(cost, result.module)
    failing = [metric for metric in verdict.failing if metric in changed]
    metrics = failing or [most_grown(changed) if changed else verdict.worst]
    growth, *others = explain(cost, baseline[result.entry], recount, metrics, module=result.module, root=root)
    return replace(result, comparison=replace(comparison, growth=growth, others=tuple(others)))


def _recount(budget: Budget, test: TestCase, body: Body, target: Any, request: Request) -> Recount:
    """How to count the same model at another operating point.

    A test that returns its model and takes ``res`` (or ``batch``, ``seq``) builds it for that: it is called again.
    """

    def recount(point: OperatingPoint) -> Cost:
        model = target
        own = {name: value for name, value in point.arguments().items() if name in test.own}
        for name in own:
            given, value = test.arguments[name], point.value(name)
            if isinstance(given, (tuple, list)) and isinstance(value, tuple):
                own[name] = type(given)(value)  # as the test is used to get it
        again = body.again
        if own and again is not None and budget.model is None:
            model = functools.partial(again, **own)
        return count(model, request.at(point))

    return recount


def observe(
    model: Any,
    request: Request,
    cost: Cost,
    budget: Budget,
    number: int,
    test: TestCase,
    config: Config,
    baseline: Mapping[str, Entry],
) -> Result:
    """A cost measured through the fixture, as a result: it must be whole, and within the limits of ``budget``.

    Without limits the test's own code judges it. How it compares with its baseline is only reported.
    """
    entry = budget.name or (test.nodeid if number == 0 else f"{test.nodeid} #{number + 1}")
    limits, problems = filling.limits_now(budget, cost, config), tuple(filling.problems(budget, cost, config))
    if limits or problems:
        verdict = judge(cost, limits, unknown_ops=config.unknown_ops, problems=problems)
    else:
        verdict = look(cost, unknown_ops=config.unknown_ops)
    comparison = _compared(cost, entry, baseline, config)
    result = Result(entry, test.nodeid, test.path, test.line, "", cost, verdict, comparison)
    return _explained(result, baseline, lambda point: count(model, request.at(point)), test.root)


def _entries(budgets: list[Budget], test: TestCase) -> list[str]:
    """One name for each budget; several of one name are told apart by their operating points."""
    given = [budget.name or test.nodeid for budget in budgets]
    names = [
        name
        if given.count(name) == 1
        else f"{name} @ {budget.point(test.sizes, test.own_sizes)}" + (f", {budget.module}" if budget.module else "")
        for name, budget in zip(given, budgets, strict=True)
    ]
    return [name if names.count(name) == 1 else f"{name} #{i + 1}" for i, name in enumerate(names)]
