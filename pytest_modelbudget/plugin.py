"""The pytest plugin: options, the marker, the fixture and the hooks. The only file that imports pytest."""

from __future__ import annotations

import functools
import inspect
import os
import unittest
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from .config import BASELINE, CHOICES, Config, read_config
from .errors import BudgetError, UsageError
from .marker import Budget, parse_budgets
from .report.failure import failure
from .report.properties import properties
from .report.terminal import summary
from .report.text import one_line
from .result import Result
from .session import Collected, Ending, Run, Scope

if TYPE_CHECKING:
    from .baseline.schema import Entry
    from .cost import Cost
    from .gate import Body, TestCase

_CONFIG = pytest.StashKey[Config]()
_MARKS = pytest.StashKey[list[pytest.Mark]]()
_BUDGETS = pytest.StashKey[list[Budget]]()
_RESULTS = pytest.StashKey[list[Result]]()
_COMPLETE = pytest.StashKey[bool]()
_VERDICT = pytest.StashKey[str]()
_PROPERTIES = pytest.StashKey[list[tuple[str, object]]]()
_RUN = pytest.StashKey[Run]()
_ENDING = pytest.StashKey[Ending]()
_BASELINE = pytest.StashKey[Mapping[str, "Entry"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and ini keys."""
    group = parser.getgroup("modelbudget", "model budgets")
    for choice in CHOICES:
        parser.addini(choice.name, f"{choice.help}; default {choice.default}", default="")
        if choice.option:
            group.addoption(choice.option, dest=choice.name, choices=choice.allowed, help=choice.help)
    group.addoption(
        "--budget-update", dest="budget_update", action="store_true", help="record this run as the baseline"
    )
    for name, metavar, text in (
        ("baseline", "FILE", "the baseline file; default modelbudget.json in the root directory"),
        ("tolerance", "PCT", "how far above its baseline a metric may be, in percent; default 0"),
    ):
        group.addoption(f"--budget-{name}", dest=f"budget_{name}", metavar=metavar, help=text)
        parser.addini(f"budget_{name}", text, default="")
    strict = "fail the run when the baseline has entries whose tests are gone"
    group.addoption("--budget-strict", dest="budget_strict", action="store_true", default=None, help=strict)
    parser.addini("budget_strict", strict, default="")
    report = "write a report: .json, .md, .html or .txt (OpenMetrics); may be given several times"
    group.addoption("--budget-report", dest="budget_report", metavar="FILE", action="append", help=report)
    parser.addini("budget_report", report, type="linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, once; a wrong one stops the run."""
    config.addinivalue_line(
        "markers",
        "budget(flops=, params=, ..., batch=1, res=224): what the model this test returns, takes or names may cost",
    )
    try:
        config.stash[_CONFIG] = settings = read_config(_settings(config))
        for path in settings.reports:  # a wrong suffix is told before the run, not after it
            from .report.formats import renderer

            renderer(path)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[_RUN] = Run(config.stash[_CONFIG])


def _settings(config: pytest.Config) -> dict[str, Any]:
    """Every setting by name; an option goes before its ini key. Paths are absolute: an option's is relative to
    where pytest was called, an ini key's to the root directory.
    """
    values = {c.name: (config.getoption(c.name, None) if c.option else None) or config.getini(c.name) for c in CHOICES}
    values["budget_update"] = config.getoption("budget_update")
    for name in ("budget_tolerance", "budget_strict"):
        values[name] = config.getoption(name) or config.getini(name)
    here, root = config.invocation_params.dir, config.rootpath
    option = config.getoption("budget_baseline")
    values["budget_baseline"] = here / option if option else root / (config.getini("budget_baseline") or BASELINE)
    reports = config.getoption("budget_report")
    values["budget_report"] = (
        [here / p for p in reports] if reports else [root / p for p in config.getini("budget_report")]
    )
    if hasattr(config, "workerinput"):  # a worker of xdist reads the controller's baseline and writes nothing
        values["budget_baseline"] = config.workerinput["modelbudget_baseline"]
        values["budget_report"] = []
    return values


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist where the baseline is."""
    node.workerinput["modelbudget_baseline"] = str(node.config.stash[_CONFIG].baseline)


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
    marks = [mark for mark in getattr(function, "pytestmark", ()) if mark.name == "budget"]
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


class _Watched:
    """A test's own code, watched: what it returned, and whether it did. It returns nothing to pytest."""

    def __init__(self, function: Callable[..., Any], *, build: bool) -> None:
        self._function = function
        self._build = build
        self._arguments: tuple[Any, ...] = ()
        self._keywords: dict[str, Any] = {}
        self._returned: Any = None
        self._on_meta = False
        self.started = self.finished = False

    def wrapped(self) -> Callable[..., Any]:
        """The function to run in the test's stead."""
        if inspect.iscoroutinefunction(self._function):

            @functools.wraps(self._function)
            async def watched_async(*args: Any, **kwargs: Any) -> None:
                self.started = True
                self._returned = await self._function(*args, **kwargs)
                self.finished = True

            return watched_async

        @functools.wraps(self._function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            from .gate import build_on_meta

            self._arguments, self._keywords = args, kwargs
            self.started, self.finished = True, False
            if self._build:
                self._returned, self._on_meta = build_on_meta(self._again)
            else:
                self._returned = self._function(*args, **kwargs)
            self.finished = True
            awaitable = hasattr(self._returned, "__await__") or hasattr(self._returned, "__aiter__")
            return self._returned if awaitable else None  # what nobody awaited has not run, as pytest will say

        return watched

    def body(self) -> Body:
        """What the gate needs to know of it."""
        from .gate import Body

        return Body(self._returned, self._on_meta, self._again if self._build else None)

    def _again(self, **changed: Any) -> Any:
        return self._function(*self._arguments, **{**self._keywords, **changed})


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
def _watching(item: pytest.Function) -> Iterator[_Watched]:
    """Put a watched function in the place of the test's own."""
    from .gate import names_its_model

    function, case = item.obj, _case(item)
    build = not inspect.iscoroutinefunction(function) and not names_its_model(_budgets_now(item), case)
    watched = _Watched(function, build=build)
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


def _evaluate(item: pytest.Item, watched: _Watched | None) -> str:
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
        results = evaluate(budgets, case, body, item.config.stash[_CONFIG], _baseline(item.config))
    except BudgetError as error:
        return f"{error}\n{case.path}:{case.line}"
    item.stash.setdefault(_RESULTS, []).extend(results)
    return ""


def _baseline(config: pytest.Config) -> Mapping[str, Entry]:
    """The recorded entries to compare with, read once. Raises `BudgetError` for a file that cannot be read."""
    if _BASELINE not in config.stash:
        settings = config.stash[_CONFIG]
        path = settings.baseline
        entries: Mapping[str, Entry] = {}
        if path.exists() and not settings.update:
            from .baseline.file import read

            baseline = read(path)
            entries = baseline.entries if baseline is not None else {}
        config.stash[_BASELINE] = entries
    return config.stash[_BASELINE]


@pytest.fixture
def model_cost(request: pytest.FixtureRequest) -> Callable[..., Cost]:
    """Measure a model inside a test: ``model_cost(model, batch=1, res=224)`` gives a Cost, and is reported."""
    from .core.measure import measure
    from .gate import observe

    item, config = request.node, request.config.stash[_CONFIG]

    def model_cost(model: Any, *, name: str | None = None, **arguments: Any) -> Cost:
        __tracebackhide__ = True

        def count(**changed: Any) -> Cost:
            return measure(model, **{"convention": config.flops, "counter": config.counter, **arguments, **changed})

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


class _Collecting:
    """Follows the collection of tests, in every process that collects."""

    def __init__(self) -> None:
        self.seen = Collected()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.seen.cut_short = self.seen.cut_short or report.failed
        if report.passed:
            self.seen.files[report.nodeid] = None

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.seen.cut_short = self.seen.cut_short or bool(items)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.seen.tests.update((_plain(item.nodeid), None) for item in session.items)


class _Worker(_Collecting):
    """In a worker of xdist: what it collected is for the controller to know."""

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        session.config.workeroutput["modelbudget"] = self.seen.to_dict()  # type: ignore[attr-defined]


class _Listener(_Collecting):
    """Follows the run where reports are shown; where xdist distributes, that is the controller."""

    def __init__(self, config: pytest.Config) -> None:
        super().__init__()
        self._config = config
        self._run = config.stash[_RUN]
        self._run.collected = self.seen
        self._began = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> None:
        self._began = True  # unlike under --fixtures, say

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        seen = getattr(node, "workeroutput", {}).get("modelbudget")  # a worker that crashed has no output
        if seen is not None:
            self.seen.add(seen)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            complete = getattr(report, "modelbudget_complete", False)
            self._run.add(_plain(report.nodeid), getattr(report, "modelbudget", ()), complete=complete)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
        ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
        settings = self._config.stash[_CONFIG]
        if ended and self._began and not self._config.option.collectonly:
            cut_short = self.seen.cut_short or bool(session.shouldfail) or bool(session.shouldstop)
            ending = self._run.finish(_scope(self._config, cut_short))
            self._config.stash[_ENDING] = ending
            if ending.failed and exitstatus != pytest.ExitCode.TESTS_FAILED:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        elif settings.update and not ended:
            why = f"{settings.baseline.name}: not updated, since the run did not come to its end."
            self._config.stash[_ENDING] = Ending((why,), failed=True)
        yield


def _plain(nodeid: str) -> str:
    """A test's id without the group that xdist adds to it under ``--dist loadgroup``: ``test_it[1]@group``."""
    at = nodeid.find("@", max(nodeid.rfind("::"), nodeid.rfind("]")) + 1)
    return nodeid[:at] if at >= 0 and "::" in nodeid else nodeid


def _scope(config: pytest.Config, cut_short: bool) -> Scope:
    """What the run was asked for: everything, some files or folders, or tests chosen one by one."""
    chosen = any(config.getoption(name, None) for name in ("keyword", "markexpr", "deselect", "lf", "stepwise"))
    partial = cut_short or chosen or any("::" in argument for argument in config.args)
    places = [os.path.relpath(config.invocation_params.dir / argument, config.rootpath) for argument in config.args]
    places = ["" if place == "." else place.replace(os.sep, "/") for place in places]
    return Scope(partial, config.rootpath, tuple(places))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Listen to reports where they are shown, not in the workers that make them."""
    listener = _Worker() if hasattr(session.config, "workerinput") else _Listener(session.config)
    session.config.pluginmanager.register(listener, "modelbudget-listener")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write the table of measured models, but not under ``-q``, and what became of the baseline and reports."""
    results = config.stash[_RUN].results
    ending = config.stash.get(_ENDING, Ending())
    verbosity = config.get_verbosity()
    table = results if verbosity >= 0 else []
    if results and os.environ.get("GITHUB_ACTIONS") == "true":
        _tell_github(terminalreporter, config)
    if not table and not ending.lines:
        return
    terminalreporter.write_sep("=", "model budgets")
    for line in summary(table, verbosity=verbosity) if table else ():
        terminalreporter.write_line(line.text, **line.markup)
    for text in ending.lines:
        terminalreporter.write_line(one_line(text), red=ending.failed)


def _tell_github(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Annotate the failing budgets, and add the report to the job's summary."""
    from .report.github import error_annotations, job_summary

    report = config.stash[_RUN].report()
    folder = os.path.relpath(config.rootpath, os.environ.get("GITHUB_WORKSPACE", config.rootpath))
    terminalreporter.write(error_annotations(report, folder="" if folder.startswith(".") else folder))
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        summary_file = Path(path)
        try:
            already = summary_file.stat().st_size if summary_file.exists() else 0
            with summary_file.open("a", encoding="utf-8") as file:
                file.write(job_summary(report, already=already))
        except OSError as error:  # the summary is extra: the gate is the exit status
            terminalreporter.write_line(one_line(f"GITHUB_STEP_SUMMARY={path}: {error.strerror or error}"), yellow=True)


def _case(item: pytest.Item) -> TestCase:
    from .gate import TestCase

    path, line, _ = item.reportinfo()
    root = item.config.rootpath
    file = os.path.relpath(root / path, root).replace(os.sep, "/")
    fixtures = getattr(item, "funcargs", {})
    return TestCase(_plain(item.nodeid), file, (line or 0) + 1, fixtures, str(root), _arguments(item, fixtures))


def _arguments(item: pytest.Item, fixtures: Mapping[str, Any]) -> tuple[str, ...]:
    """The test's own arguments among the fixtures, which also hold those that its arguments need."""
    try:
        parameters = inspect.signature(getattr(item, "obj", len)).parameters
    except (TypeError, ValueError):
        return tuple(fixtures)
    return tuple(name for name in fixtures if name in parameters)
