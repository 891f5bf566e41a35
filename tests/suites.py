"""Suites under test: models small enough to count by hand, and how to run pytest on them."""

from __future__ import annotations

import re
import warnings
from textwrap import dedent
from typing import Any

import hypothesis.strategies  # noqa: F401
import pytest
from torch import nn

import pytest_modelbudget

# pytester forgets the modules that a run in this process loads. What the plugin and a measurement load is loaded here,
# once, or each run would spend seconds on loading it anew.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # fvcore uses what PyTorch deprecates
    for counter in ("aten", "fvcore"):
        pytest_modelbudget.measure(nn.Conv2d(3, 4, 1), res=8, counter=counter)
    pytest_modelbudget.measure(nn.Conv2d(3, 4, 1), res=8, mode="train")  # optimizers load PyTorch's compiler

MODELS = """
from torch import nn


class Pixels(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 1, bias=False)

    def forward(self, image):
        return self.layer(image)


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 4)
        self.head = nn.Linear(4, 5)

    def forward(self, ids):
        return self.head(self.embed(ids))
"""

HEADER = """
import pytest
from torch import nn
from models import Pixels, Tokens
from pytest_modelbudget import budget
"""


def pixels(batch: int, height: int, width: int | None = None) -> int:
    """FLOPs of ``Pixels``: at each pixel, 4 outputs of 3 multiply-adds."""
    return batch * height * (width or height) * 4 * 3


def tokens(batch: int, seq: int) -> int:
    """FLOPs of ``Tokens``: for each token, 5 outputs of 4 multiply-adds; looking up an embedding is free."""
    return batch * seq * 5 * 4


def run(pytester: pytest.Pytester, source: str, *options: str) -> pytest.RunResult:
    """Run ``source`` as ``test_cost.py`` beside ``models.py``, in this process."""
    pytester.makepyfile(models=MODELS, test_cost=HEADER + dedent(source))
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)


def properties(result: pytest.RunResult) -> list[tuple[str, str]]:
    """What the tests of a run recorded for JUnit, in the order they ran."""
    reports = result.reprec.getreports("pytest_runtest_logreport")
    return [pair for report in reports if report.when == "call" for pair in report.user_properties]


def measured(result: pytest.RunResult, metric: str = "flops") -> list[int]:
    """Every value of ``metric`` a run measured, in order."""
    return [int(value) for name, value in properties(result) if name.endswith(f".{metric}")]


def outcomes(result: pytest.RunResult) -> dict[str, int]:
    """How many tests passed, failed, ...; that nothing broke inside pytest is checked on the way."""
    text = result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in text
    found: dict[str, Any] = result.parseoutcomes()
    return {name: count for name, count in found.items() if name not in ("warning", "warnings")}


def failure(result: pytest.RunResult) -> str:
    """The message of the one test that failed: what stands between its name and the next section."""
    assert outcomes(result) == {"failed": 1}
    found = re.search(r"_+ test_it\S* _+\n(.*?)\n=====", result.stdout.str(), re.DOTALL)
    assert found is not None
    return found[1]


def assert_clear(result: pytest.RunResult, *parts: str) -> None:
    """Each part is in what the user sees, and none of our own files is: no traceback through the plugin."""
    text = result.stdout.str() + result.stderr.str()
    for part in parts:
        assert part in text
    assert "INTERNALERROR" not in text
    assert "pytest_modelbudget/" not in text
