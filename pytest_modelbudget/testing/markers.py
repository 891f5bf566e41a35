"""The markers of a test, read when it is collected: a wrong one is a collection error that names the test."""

from __future__ import annotations

import inspect
from collections.abc import Generator, Mapping
from typing import Any, TypeAlias

import pytest

from ..errors import UsageError
from ..judging.budget import Budget, fixtures_named, parse_budgets
from .defaults import defaults_of, table_defaults
from .places import PLACES, Places
from .state import BUDGETS, MARKS


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> Generator[None, Any, Any]:
    """Let pytest know the fixtures that markers name while it parametrizes the test; refuse a marked lambda."""
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
    around = list(collector.iter_markers("budget"))
    if not marks:
        return [name for mark in around for name in fixtures_named(mark.kwargs)]
    defaults = {key: value for mark in reversed(around) for key, value in mark.kwargs.items()}
    return [name for mark in marks for name in fixtures_named({**defaults, **mark.kwargs})]


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
            budgets_of(item)
        except UsageError as error:
            wrong.append(f"{item.nodeid}: {error}")
    if wrong:
        report.outcome = "failed"
        report.longrepr = "\n".join(wrong)
        report.result = []
    return report


def budgets_of(item: pytest.Item) -> list[Budget]:
    """The budgets of a test, in source order. Markers may be added at any time: they are read again if any was."""
    found = list(item.iter_markers_with_node("budget"))
    marks, known = [mark for _, mark in found], item.stash.get(MARKS, [])
    if len(marks) == len(known) and all(mark is old for mark, old in zip(marks, known, strict=True)):
        return item.stash.get(BUDGETS, [])
    if not isinstance(item, pytest.Function):
        if all(isinstance(node, pytest.Module) for node, _ in found):
            return []  # a doctest: what its module says is for the tests in it
        raise UsageError(f"@budget is on a {type(item).__name__}, which has no model. Mark a test function or method.")
    levels: dict[pytest.Item | pytest.Collector | Any, list[pytest.Mark]] = {}
    for node, mark in found:
        levels.setdefault(node, []).append(mark)
    places = item.config.stash.get(PLACES, None)
    around = [_said(mark, places) for mark in defaults_of(item.config, item.path)]
    said = [_level(item, node, level, places) for node, level in levels.items()]
    project: Said = (), table_defaults(item.config)
    budgets = parse_budgets([*said, *([one] for one in around), [project]])
    named = [name for budget in budgets for name in fixtures_named({**budget.arguments, "model": budget.model})]
    new = [name for name in dict.fromkeys(named) if name not in item.fixturenames]
    item.fixturenames = [*item.fixturenames, *new]  # set up with the test's own; the list is shared
    item.stash[MARKS], item.stash[BUDGETS] = marks, budgets
    return budgets


Said: TypeAlias = tuple[tuple[Any, ...], Mapping[str, Any]]


def _said(mark: pytest.Mark, places: Places | None) -> Said:
    return mark.args, places.limits(mark) if places is not None else dict(mark.kwargs)


def _level(item: pytest.Function, node: Any, marks: list[pytest.Mark], places: Places | None) -> list[Said]:
    """What the markers of one level say, in the order of the source.

    Decorators apply from the lowest up, and people read from the top; a list is in order as it is. A marker of a
    parameter adds to each of the decorators, and goes before it.
    """
    if isinstance(node, pytest.Module):
        return [_said(mark, places) for mark in marks]
    listed = getattr(getattr(item, "callspec", None), "marks", ())
    of_params = [_said(mark, places) for mark in marks if any(mark is one for one in listed)]
    decorators = [_said(mark, places) for mark in reversed(marks) if not any(mark is one for one in listed)]
    if not of_params or not decorators:
        return of_params or decorators
    return [((*args, *more), {**said, **also}) for args, said in decorators for more, also in of_params]


def budgets_now(item: pytest.Item) -> list[Budget]:
    """The budgets of a test that is running; a wrong marker fails it."""
    try:
        return budgets_of(item)
    except UsageError as error:
        problem = str(error)
    pytest.fail(problem, pytrace=False)
