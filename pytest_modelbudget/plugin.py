"""The pytest plugin's entry point: the hooks and the fixture that pytest finds here."""

from __future__ import annotations

from .testing.hooks import (
    model_cost,
    pytest_addoption,
    pytest_configure,
    pytest_configure_node,
    pytest_make_collect_report,
    pytest_pycollect_makeitem,
    pytest_runtest_call,
    pytest_runtest_makereport,
    pytest_runtest_setup,
)

__all__ = [
    "model_cost",
    "pytest_addoption",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_make_collect_report",
    "pytest_pycollect_makeitem",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
]
