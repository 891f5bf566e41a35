"""The hooks around a test that runs: its code is watched, then what it is about is measured, judged and reported."""

from __future__ import annotations

import inspect
import unittest
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from ..errors import BudgetError
from ..report.failure import failure
from ..report.properties import properties
from .case import case_of, plain_id
from .markers import budgets_now
from .state import COMPLETE, CONFIG, PROPERTIES, RESULTS, VERDICT, WISHES, baseline_of

if TYPE_CHECKING:
    from .body import Watched


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Start anew, for a test may run again, and read markers that hooks added since it was collected."""
    item.stash[RESULTS], item.stash[WISHES], item.stash[COMPLETE] = [], [], False
    budgets_now(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Run the test, then measure and judge what it is about; a failed budget fails the test."""
    if not budgets_now(item) or not isinstance(item, pytest.Function):
        outcome = yield
        problem = _evaluate(item, None)  # a marker that the test's own code added, or a table's budget
    else:
        with ExitStack() as leaving:
            with _watching(item, leaving) as watched:
                outcome = yield
            problem = _evaluate(item, watched)
            watched.release()
            problem = _left(leaving) or problem
    if problem:
        _fail(item, problem)
    item.stash[COMPLETE] = True
    results = item.stash.get(RESULTS, [])
    if any(not result.verdict.passed for result in results):
        full = item.config.get_verbosity() >= 2
        _fail(item, failure(results, root=str(item.config.rootpath), full=full))
    return outcome


def _fail(item: pytest.Item, text: str) -> NoReturn:
    item.stash[VERDICT] = text
    pytest.fail(text, pytrace=False)


@contextmanager
def _watching(item: pytest.Function, leaving: ExitStack) -> Iterator[Watched]:
    """Put a watched function in the place of the test's own. ``leaving`` as in `Watched`."""
    from ..gate.subject import names_its_model, spread_point
    from .body import Watched

    function, case = item.obj, case_of(item)
    build = not inspect.iscoroutinefunction(function) and not names_its_model(budgets_now(item), case)
    watched = Watched(function, build=build, leaving=leaving, point=spread_point(budgets_now(item), case))
    item.obj = watched.wrapped()
    owner = getattr(function, "__self__", None)
    by_name = inspect.iscoroutinefunction(function) and isinstance(owner, unittest.TestCase)
    if by_name:  # unittest looks its coroutines up itself
        setattr(owner, item.name, item.obj)
    try:
        yield watched
    finally:
        item.obj = function
        if by_name:
            delattr(owner, item.name)


def _evaluate(item: pytest.Item, watched: Watched | None) -> str:
    """Measure and judge; what kept that from being done, as text, or an empty one."""
    budgets = budgets_now(item)
    if not budgets or (watched is not None and watched.started and not watched.finished):
        return ""  # its own error is on its way, past a unittest.TestCase
    from ..gate.evaluate import evaluate
    from ..gate.filling import wishes
    from ..gate.subject import Body

    case, settings = case_of(item), item.config.stash[CONFIG]
    if watched is not None and not watched.started:
        return f"measured nothing: the test's own code was not run.\n{case.path}:{case.line}"
    body = Body() if watched is None else watched.body()
    try:
        results = evaluate(budgets, case, body, settings, baseline_of(item.config))
    except BudgetError as error:
        return f"{error}\n{case.path}:{case.line}"
    item.stash.setdefault(RESULTS, []).extend(results)
    item.stash.setdefault(WISHES, []).extend(wishes(budgets, results, settings))
    return ""


def _left(leaving: ExitStack) -> str:
    """Undo what a test's code left in the process; what kept that from being done, as text, or an empty one."""
    try:
        leaving.close()
    except BudgetError as error:
        return str(error)
    return ""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send the results along with the report, as plain data: it may cross to another process."""
    results = item.stash.get(RESULTS, []) if call.when == "call" else []
    if call.when == "call":
        before = item.stash.get(PROPERTIES, [])
        pairs: list[tuple[str, object]] = [*properties(results)]
        item.user_properties[:] = [pair for pair in item.user_properties if pair not in before] + pairs
        item.stash[PROPERTIES] = pairs
    report = yield
    if results:
        report.modelbudget = [result.to_dict() for result in results]  # type: ignore[attr-defined]
        report.modelbudget_wishes = [wish.to_dict() for wish in item.stash.get(WISHES, [])]  # type: ignore[attr-defined]
    text, crash = item.stash.get(VERDICT, ""), getattr(report.longrepr, "reprcrash", None)
    if call.when == "call" and report.failed and text and crash is not None and crash.message.endswith(text):
        case = case_of(item)  # the summary of failures and JUnit say one line, and where the budget stands
        crash.message, crash.path, crash.lineno = f"Failed: {text.splitlines()[0].strip()}", case.path, case.line
    report.modelbudget_id = plain_id(item)  # type: ignore[attr-defined]
    if call.when == "call":  # a test that failed by its verdict alone ran to its end, too
        over = any(not result.verdict.passed for result in results)
        complete = item.stash.get(COMPLETE, False) and (over or call.excinfo is None)
        report.modelbudget_complete = complete  # type: ignore[attr-defined]
    return report
