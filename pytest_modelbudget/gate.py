"""From a test's budgets, and the model it names, to results. Knows no pytest: the plugin passes in what it needs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .config import Config
from .cost import Cost
from .errors import UsageError
from .marker import Budget
from .result import Result
from .verdict import judge, look


@dataclass(frozen=True)
class TestCase:
    """What the gate needs to know of a test: its name, its place, and its arguments by name."""

    __test__ = False

    nodeid: str
    path: str
    line: int
    arguments: Mapping[str, Any]


def names_its_model(budgets: Iterable[Budget], arguments: Mapping[str, Any]) -> bool:
    """Whether a model is known without what the test returns, so that its body is just a test."""
    return any(budget.model is not None for budget in budgets) or any(_is_module(v) for v in arguments.values())


def evaluate(
    budgets: list[Budget],
    test: TestCase,
    returned: Any,
    config: Config,
    *,
    again: Callable[[], Any] | None = None,
) -> list[Result]:
    """Measure and judge every budget of a test.

    ``returned`` is what the test returned; ``again`` gives it anew, for real, where it was built on meta. Raises
    `BudgetError` where there is nothing to measure.
    """
    from .core.build import Prebuilt
    from .core.measure import measure

    results = []
    for budget, entry in zip(budgets, _entries(budgets, test), strict=True):
        model = _find_model(budget, test, returned)
        cost = measure(
            Prebuilt(model, again) if model is returned and again is not None else model,
            **_point_arguments(budget, test.arguments),
            inputs=budget.inputs,
            convention=config.flops,
            counter=config.counter,
        )
        verdict = judge(cost, budget.limits, module=budget.module, unknown_ops=config.unknown_ops)
        results.append(Result(entry, test.nodeid, test.path, test.line, budget.module, cost, verdict))
    return results


def observe(cost: Cost, name: str | None, number: int, test: TestCase, config: Config) -> Result:
    """A cost measured through the fixture, as a result: it has no limits, but must be whole."""
    entry = name or (test.nodeid if number == 0 else f"{test.nodeid} #{number + 1}")
    verdict = look(cost, unknown_ops=config.unknown_ops)
    return Result(entry, test.nodeid, test.path, test.line, "", cost, verdict)


def _point_arguments(budget: Budget, arguments: Mapping[str, Any]) -> dict[str, Any]:
    point = budget.point(arguments)
    return {
        "batch": point.batch,
        "res": point.res,
        "channels": point.channels,
        "seq": point.seq,
        "dtype": point.dtype,
        "mode": point.mode,
    }


def _entries(budgets: list[Budget], test: TestCase) -> list[str]:
    """One name for each budget; several on one test are told apart by their operating points."""
    names = [budget.name or test.nodeid for budget in budgets]
    if len(set(names)) == len(names):
        return names
    names = [
        f"{name} @ {budget.point(test.arguments)}" + (f", {budget.module}" if budget.module else "")
        for name, budget in zip(names, budgets, strict=True)
    ]
    return [name if names.count(name) == 1 else f"{name} #{i + 1}" for i, name in enumerate(names)]


def _find_model(budget: Budget, test: TestCase, returned: Any) -> Any:
    """The model or factory a budget is about. Raises `UsageError` for none, and for two."""
    if budget.model is not None:
        target = budget.model
        if isinstance(target, str):
            target = test.arguments.get(target)
            if not _is_module(target) and not callable(target):
                raise UsageError(
                    f"no model: the fixture {budget.model!r} gave {_kind(target)}, not an nn.Module or a factory."
                )
        if _is_module(returned) and returned is not target:
            raise UsageError("two models: the test returns one and model= names another. Keep one of them.")
        return target
    found = {name: value for name, value in test.arguments.items() if _is_module(value)}
    distinct = {id(value) for value in found.values()}
    if _is_module(returned):
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


def _is_module(value: Any) -> bool:
    torch = sys.modules.get("torch")  # a value can only be a module if torch is loaded
    return torch is not None and isinstance(value, torch.nn.Module)


def build_on_meta(function: Callable[[], Any]) -> tuple[Any, bool]:
    """Call a test that returns its model so that the model is built on meta; for real where that fails.

    Gives what it returned, and whether it is on meta. The second call's error is the test's.
    """
    from .core.build import call_on_meta
    from .core.standin import undisturbed_process

    with undisturbed_process():
        called = call_on_meta(function)
    return (called.value, True) if called.error is None else (function(), False)
