"""Suites with a baseline: written, run, recorded, changed and run again, all in this process."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from suites import outcomes

from pytest_modelbudget.baseline.file import read, write
from pytest_modelbudget.baseline.schema import Baseline
from pytest_modelbudget.values.entry import Entry
from pytest_modelbudget.values.result import Result

gc.freeze()  # pytest collects garbage ten times at the end of a run, which takes long with torch loaded

HEADER = """\
import pytest
import torch
from torch import nn
from models import *
from pytest_modelbudget import budget
"""

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1, bias=False)
        self.body = nn.Sequential(nn.Conv2d(4, 8, 1, bias=False), nn.ReLU(), nn.Conv2d(8, 4, 1, bias=False))
        self.head = nn.Conv2d(4, 10, 1, bias=False)

    def forward(self, image):
        return self.head(self.body(self.stem(image)))
"""
STEM, BODY, HEAD = 3 * 4, 4 * 8 + 8 * 4, 4 * 10
"""Multiply-adds at each pixel, and parameters: 1x1 convolutions have as many of the one as of the other."""

PIXEL = STEM + BODY + HEAD
"""Those of the whole ``Net``."""


def suite(pytester: pytest.Pytester, tests: str, models: str = NET, *, file: str = "test_cost.py") -> None:
    """Write a test file, and the models beside it; either may be written again for a later run."""
    (pytester.path / "models.py").write_text(dedent(models))
    pytester.syspathinsert()
    path = pytester.path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + dedent(tests))


def check(pytester: pytest.Pytester, *options: str | Path) -> pytest.RunResult:
    """Run pytest as it is run to check budgets."""
    for cache in pytester.path.rglob("__pycache__"):  # Python tells versions of a file apart by size and whole seconds
        shutil.rmtree(cache)
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)


def record(pytester: pytest.Pytester, *options: str | Path) -> pytest.RunResult:
    """Run ``pytest --budget-update``, which must succeed."""
    result = check(pytester, "--budget-update", *options)
    assert result.ret == pytest.ExitCode.OK, result.stdout.str() + result.stderr.str()
    return result


def baseline(pytester: pytest.Pytester) -> Path:
    """Where the baseline is, by default."""
    return pytester.path / "modelbudget.json"


def entries(pytester: pytest.Pytester) -> Mapping[str, Entry]:
    """What is recorded, by name."""
    found = read(baseline(pytester))
    assert found is not None
    return found.entries


def edit(pytester: pytest.Pytester, name: str, /, *, flops: int | None = None, **changed: Any) -> None:
    """Record another entry than was measured: other totals of FLOPs and multiply-adds, or other fields."""
    known = dict(entries(pytester))
    entry = replace(known[name], **changed)
    if flops is not None:
        entry = replace(entry, totals={**entry.totals, "flops": flops, "macs": flops})
    write(baseline(pytester), Baseline.of({**known, name: entry}.values()))


def results(run: pytest.RunResult) -> dict[str, Result]:
    """What a run measured, by the entry's name."""
    reports = run.reprec.getreports("pytest_runtest_logreport")
    found = [Result.from_dict(data) for report in reports for data in getattr(report, "modelbudget", ())]
    return {result.entry: result for result in found}


def only(run: pytest.RunResult) -> Result:
    """The one thing that a run measured."""
    (result,) = results(run).values()
    return result


def said(run: pytest.RunResult) -> str:
    """Everything that the user saw; nothing may have broken inside pytest."""
    outcomes(run) if run.ret not in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED) else None
    text = run.stdout.str() + run.stderr.str()
    assert "INTERNALERROR" not in text
    assert "pytest_modelbudget/" not in text  # no traceback through the plugin
    return text
