"""Follows a run from collection to its end: the baseline, the reports, and what the terminal says of them."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from ..gate.run import Collected, Ending, Scope
from ..report.terminal import summary
from ..text.line import one_line
from .case import plain_id
from .state import CONFIG, ENDING, RUN


class _Collecting:
    """Follows the collection of tests, in every process that collects."""

    def __init__(self) -> None:
        self.seen = Collected()
        self._found: dict[str, pytest.Item] = {}

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        test = plain_id(item)
        other = self._found.setdefault(test, item)
        if other.path != item.path and any(map(_is_measured, (other, item))):
            files = dict.fromkeys([*self.seen.clashes.get(test, [str(other.path)]), str(item.path)])
            self.seen.clashes[test] = list(files)
        self.seen.left_out[test] = None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.seen.cut_short = self.seen.cut_short or report.failed
        if report.passed:
            self.seen.files[report.nodeid] = None

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.seen.cut_short = self.seen.cut_short or bool(items)
        self._are_known(items)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.seen.tests.update((plain_id(item), None) for item in session.items)
        self._are_known(session.items)

    def _are_known(self, items: list[pytest.Item]) -> None:
        for item in items:
            self.seen.left_out.pop(plain_id(item), None)


def _is_measured(item: pytest.Item) -> bool:
    return item.get_closest_marker("budget") is not None or "model_cost" in getattr(item, "fixturenames", ())


class _Worker(_Collecting):
    """In a worker of xdist: what it collected is for the controller to know."""

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        session.config.workeroutput["modelbudget"] = self.seen.to_dict()  # type: ignore[attr-defined]


class _Listener(_Collecting):
    """Follows the run where reports are shown; where xdist distributes, that is the controller."""

    def __init__(self, config: pytest.Config) -> None:
        super().__init__()
        self._config = config
        self._run = config.stash[RUN]
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
            nodeid = getattr(report, "modelbudget_id", report.nodeid)
            results, wishes = (getattr(report, name, ()) for name in ("modelbudget", "modelbudget_wishes"))
            self._run.add(nodeid, results, complete=complete, wishes=wishes)

    def _show(self, line: str) -> None:
        """A line on the terminal, at once."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            colour = {"+": {"green": True}, "-": {"red": True}}.get(line[:1], {})
            terminal.ensure_newline()
            terminal.write_line(one_line(line), **colour)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
        ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
        settings = self._config.stash[CONFIG]
        if ended and self._began and not self._config.option.collectonly:
            cut_short = self.seen.cut_short or bool(session.shouldfail) or bool(session.shouldstop)
            ending = self._run.finish(_scope(self._config, cut_short), self._show)
            self._config.stash[ENDING] = ending
            if ending.failed and exitstatus != pytest.ExitCode.TESTS_FAILED:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        elif settings.update and not ended:
            why = f"{settings.baseline.name}: not updated, since the run did not come to its end."
            self._config.stash[ENDING] = Ending((why,), failed=True)
        yield


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
    session.config.pluginmanager.register(listener, "modelbudget-run")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write the table of measured models, but not under ``-q``, and what became of the baseline and reports."""
    results = config.stash[RUN].results
    ending = config.stash.get(ENDING, Ending())
    verbosity = config.get_verbosity()
    table = results if verbosity >= 0 else []
    if results and os.environ.get("GITHUB_ACTIONS") == "true":
        _tell_github(terminalreporter, config)
    if not table and not ending.lines:
        return
    terminalreporter.write_sep("=", "model budgets")
    width = terminalreporter._tw.fullwidth
    for line in summary(table, verbosity=verbosity, width=width) if table else ():
        terminalreporter.write_line(line.text, **line.markup)
    for text in ending.lines:
        terminalreporter.write_line(one_line(text), red=ending.failed)


def _tell_github(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Annotate the failing budgets, and add the report to the job's summary."""
    from ..report.github import error_annotations, job_summary

    report = config.stash[RUN].report()
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
