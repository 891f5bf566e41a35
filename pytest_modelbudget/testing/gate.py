"""From a test's budgets, and the model it names, to results. Knows no pytest: the plugin passes in what it needs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..counting.measure import count
from ..counting.model.build import call_on_meta, is_module
from ..counting.model.process import undisturbed_process
from ..counting.model.target import Prebuilt
from ..counting.recording.course import record_course
from ..errors import BudgetError, UsageError
from ..judging.budget import Budget
from ..judging.comparison import compare
from ..judging.growth import Recount, explain
from ..judging.judge import judge, look
from ..judging.remedy import remedies
from ..judging.scaling import measure_scaling
from ..values.cost import Cost
from ..values.course import Course
from ..values.entry import Entry
from ..values.growth import Comparison
from ..values.point import OperatingPoint
from ..values.request import Request
from ..values.result import Result
from ..values.verdict import Scaled
from .config import Config


@dataclass(frozen=True)
class TestCase:
    """What the gate needs to know of a test: its name, its place, and the values of its fixtures by name.

    ``own`` names those that are arguments of the test, ``root`` is the folder that reports show paths relative to.
    """

    __test__ = False

    nodeid: str
    path: str
    line: int
    arguments: Mapping[str, Any]
    root: str = ""
    own: tuple[str, ...] = ()

    @property
    def models(self) -> dict[str, Any]:
        """The test's own arguments that are models."""
        return {name: self.arguments[name] for name in self.own if is_module(self.arguments[name])}


@dataclass(frozen=True)
class Body:
    """What a test's own code returned, and how to have it again: for real, or with other arguments.

    ``on_meta`` says that what it returned was built on the meta device.
    """

    returned: Any = None
    on_meta: bool = False
    again: Callable[..., Any] | None = None


def names_its_model(budgets: Iterable[Budget], test: TestCase) -> bool:
    """Whether a model is known without what the test returns, so that its body is just a test."""
    return any(budget.model is not None for budget in budgets) or bool(test.models)


def evaluate(
    budgets: list[Budget], test: TestCase, body: Body, config: Config, baseline: Mapping[str, Entry]
) -> list[Result]:
    """Measure every budget of a test, compare it with its baseline and judge it.

    Raises `BudgetError` where there is nothing to measure.
    """
    results = []
    for budget, entry in zip(budgets, _entries(budgets, test), strict=True):
        model = _find_model(budget, test, body.returned)
        target = Prebuilt(model, body.again) if model is body.returned and body.on_meta and body.again else model
        request = replace(budget.request(test.arguments), **config.settings()).checked()
        cost = count(target, request)
        tolerance = budget.tolerance if budget.tolerance is not None else config.tolerance
        comparison = _compared(cost, entry, baseline, config, budget.module)
        recount = _recount(budget, test, body, target, request)
        scaling, problems = _scaling(budget, cost, recount)
        verdict = judge(
            cost,
            budget.limits,
            module=budget.module,
            unknown_ops=config.unknown_ops,
            comparison=comparison,
            tolerance=tolerance,
            recording=config.update,
            scaling=scaling,
            problems=problems,
        )
        fits = remedies(cost, budget.limits, recount, module=budget.module) if config.counter == "aten" else ()
        result = Result(entry, test.nodeid, test.path, test.line, budget.module, cost, verdict, comparison, fits)
        results.append(_explained(result, baseline, recount, test.root))
    return results


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
    """A result with why it is not what its baseline says, for the metric that the verdict is about if it changed."""
    cost, verdict, comparison = result.cost, result.verdict, result.comparison
    if comparison is None or comparison.status != "changed":
        return result
    changed = comparison.changes(cost, result.module)
    metric = verdict.worst if verdict.worst in changed or not changed else next(iter(changed))
    growth = explain(cost, baseline[result.entry], recount, metric, module=result.module, root=root)
    return replace(result, comparison=replace(comparison, growth=growth))


def _recount(budget: Budget, test: TestCase, body: Body, target: Any, request: Request) -> Recount:
    """How to count the same model at another operating point.

    A test that returns its model and takes ``res`` (or ``batch``, ``seq``) builds it for that: it is called again.
    """

    def recount(point: OperatingPoint) -> Cost:
        model = target
        own = {name: value for name, value in point.arguments().items() if name in test.own}
        for name in own:
            given, value = test.arguments[name], getattr(point, name)
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
    name: str | None,
    number: int,
    test: TestCase,
    config: Config,
    baseline: Mapping[str, Entry],
) -> Result:
    """A cost measured through the fixture, as a result: it has no limits, but must be whole.

    The test's own code judges it. How it compares with its baseline is only reported.
    """
    entry = name or (test.nodeid if number == 0 else f"{test.nodeid} #{number + 1}")
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
        else f"{name} @ {budget.point(test.arguments)}" + (f", {budget.module}" if budget.module else "")
        for name, budget in zip(given, budgets, strict=True)
    ]
    return [name if names.count(name) == 1 else f"{name} #{i + 1}" for i, name in enumerate(names)]


def _find_model(budget: Budget, test: TestCase, returned: Any) -> Any:
    """The model or factory a budget is about. Raises `UsageError` for none, and for two."""
    if budget.model is not None:
        target = budget.model
        if isinstance(target, str):
            if target not in test.arguments:
                raise UsageError(
                    f"no model: the fixture {target!r} was not set up, since this marker was added later. "
                    "Let the test take it as an argument, too."
                )
            target = test.arguments[target]
            if not is_module(target) and not callable(target):
                raise UsageError(
                    f"no model: the fixture {budget.model!r} gave {_kind(target)}, not an nn.Module or a factory."
                )
        if is_module(returned) and returned is not target:
            raise UsageError("two models: the test returns one and model= names another. Keep one of them.")
        return target
    found = test.models
    distinct = {id(value) for value in found.values()}
    if is_module(returned):
        if distinct - {id(returned)}:
            raise UsageError(
                f"two models: the test returns one and takes another ({_names(found)}). Return nothing, or say model=."
            )
        return returned
    if len(distinct) > 1:
        raise UsageError(f"two models: the test takes {_names(found)}. Say which with model='...'.")
    if found:
        return next(iter(found.values()))
    raise UsageError(
        f"no model: the test returned {_kind(returned)} and has no argument that is an nn.Module. "
        "Return the model, take it as a fixture, or say model=."
    )


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a value of type {type(value).__name__}"


def _names(found: Iterable[str]) -> str:
    return " and ".join(repr(name) for name in found)


def build_on_meta(function: Callable[[], Any]) -> tuple[Any, bool]:
    """Call a test that returns its model so that the model is built on meta; for real where that fails.

    Gives what it returned, and whether it is on meta. The second call's error is the test's.
    """
    with undisturbed_process():
        called = call_on_meta(function)
    return (called.value, True) if called.error is None else (function(), False)
