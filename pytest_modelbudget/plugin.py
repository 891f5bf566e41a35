"""The pytest plugin's entry point: the hooks and the fixture that pytest finds here."""

from .testing.case import pytest_itemcollected
from .testing.fixture import model_cost
from .testing.markers import pytest_make_collect_report, pytest_pycollect_makeitem
from .testing.places import pytest_load_initial_conftests, pytest_pycollect_makemodule
from .testing.running import pytest_runtest_call, pytest_runtest_makereport, pytest_runtest_setup
from .testing.setup import pytest_addoption, pytest_configure, pytest_configure_node
from .testing.tables import pytest_collect_file

__all__ = [
    "model_cost",
    "pytest_addoption",
    "pytest_collect_file",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_itemcollected",
    "pytest_load_initial_conftests",
    "pytest_make_collect_report",
    "pytest_pycollect_makeitem",
    "pytest_pycollect_makemodule",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
]
