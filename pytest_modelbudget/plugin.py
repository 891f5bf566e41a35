"""The pytest plugin: options, the marker, the fixture and the hooks. The only file that imports pytest."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

from .config import CHOICES, Config, read_config
from .errors import BudgetError, UsageError
from .gate import TestCase, build_on_meta, evaluate, names_its_model, observe
from .marker import Budget, parse_budgets
from .report.failure import failure
from .report.properties import properties
from .report.terminal import summary
from .result import Result

if TYPE_CHECKING:
    from .cost import Cost

_CONFIG = pytest.StashKey[Config]()
_BUDGETS = pytest.StashKey[list[Budget]]()
_RESULTS = pytest.StashKey[list[Result]]()
_ALL = pytest.StashKey[dict[tuple[str, str], Result]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and ini keys."""
    group = parser.getgroup("modelbudget", "model budgets")
    for choice in CHOICES:
        parser.addini(choice.name, f"{choice.help}; default {choice.default}", default="")
        if choice.option:
            group.addoption(choice.option, dest=choice.name, choices=choice.allowed, help=choice.help)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, once; a wrong one stops the run."""
    config.addinivalue_line(
        "markers",
        "budget(flops=, params=, ..., batch=1, res=224): what the model this test returns, takes or names may cost",
    )
    values = {c.name: (config.getoption(c.name, None) if c.option else None) or config.getini(c.name) for c in CHOICES}
    try:
        config.stash[_CONFIG] = read_config(values)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[_ALL] = {}


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Parse the markers of what was collected; wrong ones are a collection error that names the test."""
    report = yield
    wrong = []
    for item in report.result or ():
        if not isinstance(item, pytest.Item) or item.get_closest_marker("budget") is None:
            continue
        try:
            item.stash[_BUDGETS] = _budgets(item)
        except UsageError as error:
            wrong.append(f"{item.nodeid}: {error}")
    if wrong:
        report.outcome = "failed"
        report.longrepr = "\n".join(wrong)
        report.result = []
    return report


def _budgets(item: pytest.Item) -> list[Budget]:
    if not isinstance(item, pytest.Function):
        raise UsageError(f"@budget is on a {type(item).__name__}, which has no model. Mark a test function or method.")
    levels: dict[pytest.Item | pytest.Collector | Any, list[Any]] = {}
    for node, mark in item.iter_markers_with_node("budget"):
        levels.setdefault(node, []).append((mark.args, mark.kwargs))
    budgets = parse_budgets(list(levels.values()))
    for budget in budgets:
        if isinstance(budget.model, str) and budget.model not in item.fixturenames:
            item.fixturenames.append(budget.model)  # so that pytest sets it up with the test's own fixtures
    return budgets[::-1]  # markers come nearest first: the lowest decorator; people read from the top


class _Body:
    """What became of a test's own code: its result, and whether it raised.

    ``again`` calls it once more, for real, where what it returned was built on meta.
    """

    def __init__(self) -> None:
        self.returned: Any = None
        self.raised = False
        self.again: Callable[[], Any] | None = None

    def wrap(self, function: Callable[..., Any], *, build: bool) -> Callable[..., Any]:
        """The test function, watched: it returns nothing to pytest. ``build``: run it as a factory, on meta."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def watched_async(*args: Any, **kwargs: Any) -> None:
                self.raised = True
                self.returned = await function(*args, **kwargs)
                self.raised = False

            return watched_async

        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> None:
            self.raised = True
            call = functools.partial(function, *args, **kwargs)
            self.returned, on_meta = build_on_meta(call) if build else (call(), False)
            self.again = call if on_meta else None
            self.raised = False

        return watched


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Run the test, then measure and judge what it is about; a failed budget fails the test."""
    budgets = item.stash.get(_BUDGETS, None)
    if budgets is None:
        outcome = yield
        _fail_if_over(item)  # of what the fixture measured
        return outcome
    assert isinstance(item, pytest.Function)  # others were refused at collection
    body, function = _Body(), item.obj
    item.obj = body.wrap(function, build=not names_its_model(budgets, item.funcargs))
    try:
        outcome = yield
    finally:
        item.obj = function
    if not body.raised:
        problem = _evaluate(item, budgets, body)
        if problem:
            pytest.fail(problem, pytrace=False)
        _fail_if_over(item)
    return outcome


def _evaluate(item: pytest.Item, budgets: list[Budget], body: _Body) -> str:
    """Measure and judge; what kept that from being done, as text, or an empty one."""
    case = _case(item)
    try:
        results = evaluate(budgets, case, body.returned, item.config.stash[_CONFIG], again=body.again)
    except BudgetError as error:
        return f"{error}\n{case.path}:{case.line}"
    item.stash.setdefault(_RESULTS, []).extend(results)
    return ""


def _fail_if_over(item: pytest.Item) -> None:
    results = item.stash.get(_RESULTS, [])
    item.user_properties.extend(properties(results))
    if any(not result.verdict.passed for result in results):
        full = item.config.get_verbosity() >= 2
        pytest.fail(failure(results, root=str(item.config.rootpath), full=full), pytrace=False)


@pytest.fixture
def model_cost(request: pytest.FixtureRequest) -> Callable[..., Cost]:
    """Measure a model inside a test: ``model_cost(model, batch=1, res=224)`` gives a Cost, and is reported."""
    from .core.measure import measure

    item, config = request.node, request.config.stash[_CONFIG]

    def model_cost(model: Any, *, name: str | None = None, **arguments: Any) -> Cost:
        __tracebackhide__ = True
        cost = measure(model, **{"convention": config.flops, "counter": config.counter, **arguments})
        results = item.stash.setdefault(_RESULTS, [])
        results.append(observe(cost, name, len(results), _case(item), config))
        return cost

    return model_cost


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send the results along with the report, as plain data: it may cross to another process."""
    report = yield
    if call.when == "call" and _RESULTS in item.stash:
        report.modelbudget = [result.to_dict() for result in item.stash[_RESULTS]]  # type: ignore[attr-defined]
        del item.stash[_RESULTS]  # a test that is run again starts anew
    return report


class _Collected:
    """Gathers the results of every report; where xdist distributes, that is in the controller."""

    def __init__(self, config: pytest.Config) -> None:
        self.results = config.stash[_ALL]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for data in getattr(report, "modelbudget", ()):
            self.results[report.nodeid, data["entry"]] = Result.from_dict(data)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Listen to reports where they are shown, not in the workers that make them."""
    if not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(_Collected(session.config), "modelbudget-collected")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write the table of measured models; nothing under ``-q``."""
    results = list(config.stash[_ALL].values())
    verbosity = config.get_verbosity()
    if not results or verbosity < 0:
        return
    terminalreporter.section("model budgets")
    for line in summary(results, verbosity=verbosity):
        terminalreporter.write_line(line.text, **line.markup)


def _case(item: pytest.Item) -> TestCase:
    path, line, _ = item.reportinfo()
    root = item.config.rootpath
    file = os.path.relpath(root / path, root).replace(os.sep, "/")
    return TestCase(item.nodeid, file, (line or 0) + 1, getattr(item, "funcargs", {}))
