"""``Net``, of a stem, two blocks and a head, whose costs tests work out by hand, and how to run budgets on it."""

from __future__ import annotations

from textwrap import dedent

import pytest

MODELS = """
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, image):
        return self.norm(self.conv(image))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.body = nn.Sequential(Block(8), Block(8))
        self.head = nn.Linear(8, 10)

    def forward(self, image):
        return self.head(self.body(self.stem(image)).mean((2, 3)))
"""

HEADER = """
from models import Net
from torch import nn
from pytest_modelbudget import budget

"""


def run(pytester: pytest.Pytester, source: str, *options: str) -> pytest.RunResult:
    """Run ``source`` as ``test_cost.py`` beside ``models.py``, in this process."""
    pytester.makepyfile(models=MODELS, test_cost=HEADER + dedent(source))
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)
