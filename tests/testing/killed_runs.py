"""Runs ``pytest --budget-update`` again and again, killed at one place each time, and says what is left.

``killed_runs FOLDER PLACE...`` runs the suite of FOLDER, where each time the baseline is the one that was there at
first. It prints a line of JSON for each time. What killed runs leave beside the baseline stays there.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from killing import end
from torch import nn

import pytest_modelbudget


class Finishing:
    """Places count from where the run begins to finish."""

    def __init__(self, killed: AbstractContextManager[None]) -> None:
        self._killed = killed

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None]:
        with self._killed:
            return (yield)


def work(killed: AbstractContextManager[None]) -> int:
    return pytest.main(["-q", "-p", "no:cacheprovider", "--budget-update"], plugins=[Finishing(killed)])


def main(folder: str, *places: str) -> None:
    os.chdir(folder)
    # What a run loads is loaded once, here: the rest is its own time.
    pytest_modelbudget.measure(nn.Conv2d(3, 4, 1), res=8)
    gc.freeze()  # pytest collects garbage ten times at its end, which takes long with torch loaded
    path = Path("modelbudget.json")
    before, beside = path.read_text(), set[Path]()
    for at in places:
        path.write_text(before)
        code, place = end(at, work)
        left = set(Path().glob(".modelbudget-*")) - beside
        beside |= left
        told = {"code": code, "place": place, "file": path.read_text(), "left": [file.read_text() for file in left]}
        sys.stdout.write(json.dumps(told) + "\n")


main(*sys.argv[1:])
