"""A test as the gate sees it: its name, its place, its arguments."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from ..values.parameters import parameters_of
from .state import NODEID

if TYPE_CHECKING:
    from ..gate.subject import TestCase


def case_of(item: pytest.Item) -> TestCase:
    """The test, its place relative to the root directory, and the values of its fixtures by name."""
    from ..gate.subject import TestCase

    path, line, _ = item.reportinfo()
    root = item.config.rootpath
    file = os.path.relpath(root / path, root).replace(os.sep, "/")
    fixtures = getattr(item, "funcargs", {})
    own, direct = _arguments(item, fixtures), _parametrized(item, fixtures)
    folder = root if isinstance(item, pytest.Function) else item.path.parent
    return TestCase(plain_id(item), file, (line or 0) + 1, fixtures, str(root), str(folder), own, direct)


def _arguments(item: pytest.Item, fixtures: Mapping[str, Any]) -> tuple[str, ...]:
    """The test's own arguments among the fixtures, which also hold those that its arguments need."""
    parameters = parameters_of(getattr(item, "obj", len))
    if parameters is None:
        return tuple(fixtures)
    names = {one.name for one in parameters}
    return tuple(name for name in fixtures if name in names)


def _parametrized(item: pytest.Item, fixtures: Mapping[str, Any]) -> tuple[str, ...]:
    """What the test is parametrized with, by value; a fixture makes something else of a parameter that it gets."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    return tuple(name for name, value in params.items() if fixtures.get(name) is value)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Note the test's id before xdist adds a group to it under ``--dist loadgroup``: ``test_it[1]@group``."""
    item.stash[NODEID] = item.nodeid


def plain_id(item: pytest.Item) -> str:
    """A test's id without the group that xdist may have added."""
    return item.stash.get(NODEID, item.nodeid)
