"""Budgets of a table as pytest's items: ``pyproject.toml::resnet50``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from ..errors import UsageError
from ..gate.table import FILES, TableEntry, read_table
from .state import BUDGETS, CONFIG


class TableFile(pytest.File):
    """A TOML file with budgets in it."""

    def collect(self) -> Iterable[pytest.Item]:
        """An item for each name."""
        try:
            table = read_table(self.path)
            entries = table.entries() if table is not None else []
        except UsageError as error:
            raise self.CollectError(str(error)) from None
        for entry in entries:
            yield TableItem.from_parent(self, name=entry.name, entry=entry)


class TableItem(pytest.Item):
    """The budgets of one name. It has no code of its own: the hooks around each test measure and judge it."""

    def __init__(self, *, entry: TableEntry, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._line = entry.line
        self.stash[BUDGETS] = list(entry.budgets)

    def runtest(self) -> None:
        """Let the table's folder be one that modules are imported from, as it is for the command."""
        folder = str(self.path.parent)
        if folder not in sys.path:
            sys.path.insert(0, folder)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The file, the line of the table (from 0), and the name."""
        return self.path, self._line - 1, self.name


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> TableFile | None:
    """Collect a TOML file with budgets, unless the project does not want that; a file that is named is wanted."""
    if file_path.name not in FILES:
        return None
    config = parent.config
    named = any(_named(config, argument) == file_path for argument in config.args)
    if not named and config.stash[CONFIG].table == "false":
        return None
    try:
        table = read_table(file_path)
    except UsageError:
        table, named = None, True  # what is wrong is told by its collection
    if not named and (table is None or not table.said):
        return None
    found: TableFile = TableFile.from_parent(parent, path=file_path)
    return found


def add_table(config: pytest.Config) -> None:
    """Have the root directory's table collected: in a run without arguments, or where the ini key asks for it."""
    wanted = config.stash[CONFIG].table
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if not (wanted == "true" or (whole and wanted != "false")):
        return
    for name in FILES:
        path = config.rootpath / name
        try:
            table = read_table(path)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from error
        if table is not None and table.said and all(_named(config, argument) != path for argument in config.args):
            config.args.append(str(path))


def _named(config: pytest.Config, argument: str) -> Path:
    return (config.invocation_params.dir / argument.partition("::")[0]).resolve()
