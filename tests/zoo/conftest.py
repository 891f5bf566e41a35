"""A progress bar for a run over all models: a thousand dots say nothing about how long it still takes."""

from __future__ import annotations

import pytest
from tqdm import tqdm


class Progress:
    """Counts tests that are done, wherever they ran; a test that fails is still shown by pytest."""

    def __init__(self, terminal) -> None:
        self._terminal = terminal
        self._bar = None

    def _start(self, total):
        if self._bar is None and total:
            self._bar = tqdm(total=total, unit=" tests", file=self._terminal, ncols=self._terminal.fullwidth)

    def pytest_collection_finish(self, session):
        self._start(len(session.items))  # none under pytest-xdist, where the workers have them

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids):
        self._start(len(ids))

    def pytest_runtest_logreport(self, report):
        if report.when == "call":
            self._bar.update()

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report):
        return ("passed", "", "passed") if report.when == "call" and report.passed else None  # no dots

    def pytest_sessionfinish(self):
        if self._bar is not None:
            self._bar.close()


def pytest_sessionstart(session):
    config = session.config
    if "not zoo" not in config.option.markexpr and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Progress(config.get_terminal_writer()), "zoo-progress")
