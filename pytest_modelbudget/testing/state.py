"""What the plugin keeps with pytest's configuration and with each test, and the baseline, read once."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ..gate.config import Config
from ..gate.run import Ending, Run
from ..judging.budget import Budget
from ..values.entry import Entry
from ..values.result import Result
from ..values.written import Wish

CONFIG = pytest.StashKey[Config]()
RUN = pytest.StashKey[Run]()
ENDING = pytest.StashKey[Ending]()
BASELINE = pytest.StashKey[Mapping[str, Entry]]()

NODEID = pytest.StashKey[str]()
MARKS = pytest.StashKey[list[pytest.Mark]]()
BUDGETS = pytest.StashKey[list[Budget]]()
RESULTS = pytest.StashKey[list[Result]]()
WISHES = pytest.StashKey[list[Wish]]()
COMPLETE = pytest.StashKey[bool]()
VERDICT = pytest.StashKey[str]()
PROPERTIES = pytest.StashKey[list[tuple[str, object]]]()


def baseline_of(config: pytest.Config) -> Mapping[str, Entry]:
    """The recorded entries to compare with, read once. Raises `BudgetError` for a file that cannot be read."""
    if BASELINE not in config.stash:
        settings = config.stash[CONFIG]
        entries: Mapping[str, Entry] = {}
        if settings.baseline.exists() and not settings.update:
            from ..baseline.file import read

            baseline = read(settings.baseline)
            entries = baseline.entries if baseline is not None else {}
        config.stash[BASELINE] = entries
    return config.stash[BASELINE]
