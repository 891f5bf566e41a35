"""Defaults for the budgets of a folder, from ``pytestmark`` in its conftest, and of a project, from its table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..gate.table import Table, project_table

TABLE = pytest.StashKey[Table]()


def defaults_of(config: pytest.Config, path: Path) -> Iterator[pytest.Mark]:
    """The markers that the conftests around a file have in ``pytestmark``, the nearest folder first."""
    found: list[tuple[int, list[pytest.Mark]]] = []
    for plugin in config.pluginmanager.get_plugins():
        file = getattr(plugin, "__file__", None)
        if file is None or Path(file).name != "conftest.py" or not path.is_relative_to(Path(file).parent):
            continue
        marked = getattr(plugin, "pytestmark", [])
        listed: list[Any] = [*marked] if isinstance(marked, (list, tuple)) else [marked]
        marks = [getattr(one, "mark", one) for one in listed]
        budgets = [mark for mark in marks if isinstance(mark, pytest.Mark) and mark.name == "budget"]
        found.append((len(Path(file).parts), budgets))
    for _, budgets in sorted(found, key=lambda one: -one[0]):
        yield from reversed(budgets)


def table_of(config: pytest.Config) -> Table:
    """The table of the root directory, read once. Raises `UsageError`."""
    if TABLE not in config.stash:
        config.stash[TABLE] = project_table(config.rootpath)
    return config.stash[TABLE]


def table_defaults(config: pytest.Config) -> dict[str, Any]:
    """What holds for all budgets of the project. Raises `UsageError`."""
    return dict(table_of(config).defaults)
