"""The pytest plugin: options, the marker, the fixture, and the hooks around a test."""

from __future__ import annotations

import inspect
import os
import unittest
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from ..errors import BudgetError, UsageError
from ..judging.budget import Budget, parse_budgets
from ..report.failure import failure
from ..report.properties import properties
from ..values.result import Result
from . import listener
from .config import read_config
from .listener import CONFIG, RUN, plain_id
from .options import declare, values_of
from .session import Run

if TYPE_CHECKING:
    from ..baseline.schema import Entry
    from ..values.cost import Cost
    from .body import Watched
    from .gate import TestCase

_MARKS = pytest.StashKey[list[pytest.Mark]]()
_BUDGETS = pytest.StashKey[list[Budget]]()
_RESULTS = pytest.StashKey[list[Result]]()
_COMPLETE = pytest.StashKey[bool]()
_VERDICT = pytest.StashKey[str]()
_PROPERTIES = pytest.StashKey[list[tuple[str, object]]]()
_BASELINE = pytest.StashKey[Mapping[str, "Entry"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and ini keys."""
    declare(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, once; a wrong one stops the run."""
    config.addinivalue_line(
        "markers",
        "budget(flops=, params=, ..., batch=1, res=224): what the model this test returns, takes or names may cost",
    )
    try:
        config.stash[CONFIG] = settings = read_config(values_of(config))
        for path in settings.reports:  # a wrong suffix is told before the run, not after it
            from ..report.formats import renderer

            renderer(path)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[RUN] = Run(config.stash[CONFIG])
    config.pluginmanager.register(listener, "modelbudget-listener")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist where the baseline is."""
    node.workerinput["modelbudget_baseline"] = str(node.config.stash[CONFIG].baseline)


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> Generator[None, Any, Any]:
    """Let pytest know the fixtures that ``model=`` names while it parametrizes the test; refuse a marked lambda."""
    if isinstance(obj, pytest.MarkDecorator) and obj.name == "budget" and collector.funcnamefilter(name):
        raise collector.CollectError(
            f"{name} is a marker and no test: pytest cannot mark a lambda. Write the test as a function with def."
        )
    named = _fixtures_named(collector, obj)
    if not named:
        return (yield)
    mark = pytest.mark.usefixtures(*named).mark
    collector.own_markers.append(mark)
    try:
        return (yield)
    finally:
        collector.own_markers.remove(mark)


def _fixtures_named(collector: pytest.Collector, obj: object) -> list[str]:
    function = getattr(obj, "__func__", obj)
    if not inspect.isroutine(function):
        return []
    own = getattr(function, "pytestmark", ())
    marks = [mark for mark in (own if isinstance(own, (list, tuple)) else [own]) if mark.name == "budget"]
    if not all("model" in mark.kwargs for mark in marks) or not marks:
        marks.extend(collector.iter_markers("budget"))
    return [mark.kwargs["model"] for mark in marks if isinstance(mark.kwargs.get("model"), str)]


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
            _budgets(item)
        except UsageError as error:
            wrong.append(f"{item.nodeid}: {error}")
    if wrong:
        report.outcome = "failed"
        report.longrepr = "\n".join(wrong)
        report.result = []
    return report


def _budgets(item: pytest.Item) -> list[Budget]:
    """The budgets of a test, in source order. Markers may be added at any time: they are read again if any was."""
    found = list(item.iter_markers_with_node("budget"))
    marks, known = [mark for _, mark in found], item.stash.get(_MARKS, [])
    if len(marks) == len(known) and all(mark is old for mark, old in zip(marks, known, strict=True)):
        return item.stash.get(_BUDGETS, [])
    if not isinstance(item, pytest.Function):
        if all(isinstance(node, pytest.Module) for node, _ in found):
            return []  # a doctest: what its module says is for the tests in it
        raise UsageError(f"@budget is on a {type(item).__name__}, which has no model. Mark a test function or method.")
    levels: dict[pytest.Item | pytest.Collector | Any, list[pytest.Mark]] = {}
    for node, mark in found:
        levels.setdefault(node, []).append(mark)
    in_order = [_source_order(item, node, level) for node, level in levels.items()]
    budgets = parse_budgets([[(mark.args, mark.kwargs) for mark in level] for level in in_order])
    for budget in budgets:
        if isinstance(budget.model, str) and budget.model not in item.fixturenames:
            item.fixturenames = [*item.fixturenames, budget.model]  # set up with the test's own; the list is shared
    item.stash[_MARKS], item.stash[_BUDGETS] = marks, budgets
    return budgets


def _source_order(item: pytest.Function, node: Any, marks: list[pytest.Mark]) -> list[pytest.Mark]:
    """Decorators apply from the lowest up, and people read from the top; a list is in order as it is."""
    if isinstance(node, pytest.Module):
        return marks
    listed = [mark for mark in marks if any(mark is m for m in getattr(getattr(item, "callspec", None), "marks", ()))]
    return [mark for mark in reversed(marks) if not any(mark is m for m in listed)] + listed


def _budgets_now(item: pytest.Item) -> list[Budget]:
    """The budgets of a test that is running; a wrong marker fails it."""
    try:
        return _budgets(item)
    except UsageError as error:
        problem = str(error)
    pytest.fail(problem, pytrace=False)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Start anew, for a test may run again, and read markers that hooks added since it was collected."""
    item.stash[_RESULTS], item.stash[_COMPLETE] = [], False
    _budgets_now(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Run the test, then measure and judge what it is about; a failed budget fails the test."""
    if not _budgets_now(item):
        outcome = yield
        problem = _evaluate(item, None)  # a marker that the test's own code added
    else:
        assert isinstance(item, pytest.Function)  # others were refused when their markers were read
        with _watching(item) as watched:
            outcome = yield
        problem = _evaluate(item, watched)
    if problem:
        _fail(item, problem)
    item.stash[_COMPLETE] = True
    results = item.stash.get(_RESULTS, [])
    if any(not result.verdict.passed for result in results):
        full = item.config.get_verbosity() >= 2
        _fail(item, failure(results, root=str(item.config.rootpath), full=full))
    return outcome


def _fail(item: pytest.Item, text: str) -> NoReturn:
    item.stash[_VERDICT] = text
    pytest.fail(text, pytrace=False)


@contextmanager
def _watching(item: pytest.Function) -> Iterator[Watched]:
    """Put a watched function in the place of the test's own."""
    from .body import Watched
    from .gate import names_its_model

    function, case = item.obj, _case(item)
    build = not inspect.iscoroutinefunction(function) and not names_its_model(_budgets_now(item), case)
    watched = Watched(function, build=build)
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
    budgets = _budgets_now(item)
    if not budgets or (watched is not None and watched.started and not watched.finished):
        return ""  # its own error is on its way, past a unittest.TestCase
    from .gate import Body, evaluate

    case = _case(item)
    if watched is not None and not watched.started:
        return f"measured nothing: the test's own code was not run.\n{case.path}:{case.line}"
    body = Body() if watched is None else watched.body()
    try:
        results = evaluate(budgets, case, body, item.config.stash[CONFIG], _baseline(item.config))
    except BudgetError as error:
        return f"{error}\n{case.path}:{case.line}"
    item.stash.setdefault(_RESULTS, []).extend(results)
    return ""


def _baseline(config: pytest.Config) -> Mapping[str, Entry]:
    """The recorded entries to compare with, read once. Raises `BudgetError` for a file that cannot be read."""
    if _BASELINE not in config.stash:
        settings = config.stash[CONFIG]
        path = settings.baseline
        entries: Mapping[str, Entry] = {}
        if path.exists() and not settings.update:
            from ..baseline.file import read

            baseline = read(path)
            entries = baseline.entries if baseline is not None else {}
        config.stash[_BASELINE] = entries
    return config.stash[_BASELINE]


@pytest.fixture
def model_cost(request: pytest.FixtureRequest) -> Callable[..., Cost]:
    """Measure a model inside a test: ``model_cost(model, batch=1, res=224)`` gives a Cost, and is reported."""
    from ..counting.measure import measure
    from .gate import observe

    item, config = request.node, request.config.stash[CONFIG]

    def model_cost(model: Any, *, name: str | None = None, **arguments: Any) -> Cost:
        __tracebackhide__ = True

        def count(**changed: Any) -> Cost:
            settings = {"convention": config.flops, "counter": config.counter, "measured": config.measure}
            return measure(model, **{**settings, **arguments, **changed})

        try:
            cost = count()
        except BudgetError as error:  # it says whose error it is, and where: our own frames would only hide that
            raise error.with_traceback(None) from None
        try:
            baseline = _baseline(request.config)
        except BudgetError:  # the run says so, and fails, when it ends
            baseline = {}
        results = item.stash.setdefault(_RESULTS, [])
        number = len(results) + len(_budgets_now(item))  # the first names are those of the test's markers
        results.append(observe(cost, name, number, _case(item), config, baseline, count))
        return cost

    return model_cost


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send the results along with the report, as plain data: it may cross to another process."""
    results = item.stash.get(_RESULTS, []) if call.when == "call" else []
    if call.when == "call":
        before = item.stash.get(_PROPERTIES, [])
        pairs: list[tuple[str, object]] = [*properties(results)]
        item.user_properties[:] = [pair for pair in item.user_properties if pair not in before] + pairs
        item.stash[_PROPERTIES] = pairs
    report = yield
    if results:
        report.modelbudget = [result.to_dict() for result in results]  # type: ignore[attr-defined]
    text, crash = item.stash.get(_VERDICT, ""), getattr(report.longrepr, "reprcrash", None)
    if call.when == "call" and report.failed and text and crash is not None and crash.message.endswith(text):
        case = _case(item)  # the summary of failures and JUnit say one line, and where the budget stands
        crash.message, crash.path, crash.lineno = f"Failed: {text.splitlines()[0].strip()}", case.path, case.line
    if call.when == "call":  # a test that failed by its verdict alone ran to its end, too
        over = any(not result.verdict.passed for result in results)
        complete = item.stash.get(_COMPLETE, False) and (over or call.excinfo is None)
        report.modelbudget_complete = complete  # type: ignore[attr-defined]
    return report


def _case(item: pytest.Item) -> TestCase:
    from .gate import TestCase

    path, line, _ = item.reportinfo()
    root = item.config.rootpath
    file = os.path.relpath(root / path, root).replace(os.sep, "/")
    fixtures = getattr(item, "funcargs", {})
    return TestCase(plain_id(item.nodeid), file, (line or 0) + 1, fixtures, str(root), _arguments(item, fixtures))


def _arguments(item: pytest.Item, fixtures: Mapping[str, Any]) -> tuple[str, ...]:
    """The test's own arguments among the fixtures, which also hold those that its arguments need."""
    try:
        parameters = inspect.signature(getattr(item, "obj", len)).parameters
    except (TypeError, ValueError):
        return tuple(fixtures)
    return tuple(name for name in fixtures if name in parameters)
