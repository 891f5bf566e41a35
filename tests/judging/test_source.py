"""The line that makes a module: the very element of a container, the loop, the comprehension, the function."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from pytest_modelbudget import measure
from pytest_modelbudget.judging.source import locate

SOURCE = """\
from collections import OrderedDict

import torch
from torch import nn


def double(width):
    return nn.Sequential(
        nn.Linear(width, width),
        nn.ReLU(),  # in a function
    )


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.net = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, width),  # element
            nn.ReLU(),
        )
        self.heads = nn.ModuleDict(
            {
                "a": nn.Linear(width, 1),
                "b": nn.Linear(width, 2),  # by key
            }
        )
        self.named = nn.Sequential(OrderedDict([
            ("up", nn.Linear(width, 3)),
            ("down", nn.Linear(3, width)),  # by pair
        ]))
        self.made = nn.Sequential(
            *[nn.Linear(width, width) for _ in range(3)],  # comprehension
        )
        self.pairs = nn.ModuleList([])
        for _ in range(3):
            self.pairs.append(nn.ModuleList([
                nn.Linear(width, width),
                nn.Identity(),  # second of each turn
            ]))
        layers = [nn.Linear(width, width)]  # before the loop
        for _ in range(2):
            layers += [
                nn.ReLU(),
                nn.Linear(width, width),  # in the loop
            ]
        self.stack = nn.Sequential(*layers)
        self.stage = self._stage(width)
        self.both = double(width)
        for number in range(2):
            self.add_module("extra%d" % number, nn.Linear(width, width))  # by name

    def _stage(self, width):
        blocks = []
        for _ in range(2):
            blocks.append(nn.Linear(width, width))  # in a method
        return nn.Sequential(*blocks)

    def forward(self, x):
        x = self.both(self.stage(self.stack(self.made(self.named(self.net(x))))))
        for first, second in self.pairs:
            x = second(first(x))  # called in a loop
        x = self.extra0(x) @ x.T  # product
        return x


class Chain(nn.Sequential):
    def __init__(self, width):
        super().__init__(
            nn.Linear(width, width),
            Block(width),  # to the base class
        )
"""

PLACES = {
    "1.net.1": "# element",
    "1.heads.b": "# by key",
    "1.named.down": "# by pair",
    "1.made.2": "# comprehension",
    "1.made.*": "# comprehension",
    "1.pairs.*.1": "# second of each turn",
    "1.stack.0": "# before the loop",
    "1.stack.2": "# in the loop",
    "1.stack.4": "# in the loop",
    "1.stage.1": "# in a method",
    "1.both.1": "# in a function",
    "1.extra1": "# by name",
    "1": "# to the base class",
    "1.stage": "self.stage = self._stage(width)",
}


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "chains.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("chains", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["chains"] = module
    spec.loader.exec_module(module)
    yield path, measure(lambda: module.Chain(4), inputs=(2, 4))
    del sys.modules["chains"]


def line_of(place: str, path: Path) -> str:
    file, _, line = place.rpartition(":")
    assert file == path.name
    return path.read_text().splitlines()[int(line) - 1]


@pytest.mark.parametrize(("name", "text"), PLACES.items())
def test_the_line_that_makes_a_module(chain, name, text):
    path, cost = chain
    assert text in line_of(locate(cost, name, str(path.parent)), path)


def test_the_line_that_calls_an_operator(chain):
    path, cost = chain
    assert "# product" in line_of(locate(cost, "1", str(path.parent), operator="matmul"), path)


def test_the_line_that_calls_a_module(chain):
    path, cost = chain
    assert "# called in a loop" in line_of(locate(cost, "1.pairs.0.1", str(path.parent), call=True), path)


def test_a_module_that_is_not_there_has_no_line(chain):
    path, cost = chain
    assert locate(cost, "2.nothing", str(path.parent)) == ""
