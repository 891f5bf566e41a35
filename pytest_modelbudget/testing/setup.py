"""What happens before the first test: options and the marker are declared, the settings are read and checked."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from ..errors import UsageError
from ..gate.config import read_config
from ..gate.run import Run
from ..report.formats import check_report
from ..values.own_device import files_in
from . import listener
from .options import declare, values_of
from .state import CONFIG, RUN
from .tables import add_table


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and ini keys."""
    declare(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, once; a wrong one stops the run."""
    config.addinivalue_line(
        "markers",
        "budget(flops=, params=, ..., batch=1, res=224): what the model this test returns, takes or names may cost",
    )
    folders = ExitStack()
    folders.enter_context(files_in(config.rootpath))
    config.add_cleanup(folders.close)
    try:
        config.stash[CONFIG] = settings = read_config(values_of(config))
        for path in settings.reports:  # what keeps a report from being written is told before the run, not after it
            check_report(path)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    add_table(config)
    config.stash[RUN] = Run(config.stash[CONFIG])
    config.pluginmanager.register(listener, "modelbudget-listener")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist where the baseline is."""
    node.workerinput["modelbudget_baseline"] = str(node.config.stash[CONFIG].baseline)
