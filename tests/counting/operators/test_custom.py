"""Operators that a library adds to PyTorch: reported until they are given a formula, which is used as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from four_ways import WAYS, calls, written
from one_attempt import attempt
from torch import nn
from torch.utils.flop_counter import flop_registry, register_flop_formula


@pytest.fixture
def operators() -> Iterator[torch.library.Library]:
    """A library of operators that is gone after the test, and its formulas with it."""
    before = dict(flop_registry)
    with torch.library._scoped_library("modelbudget_test", "DEF") as library:
        library.define("scores(Tensor a, Tensor b) -> Tensor")
        library.impl("scores", lambda a, b: a @ b.mT, "CompositeExplicitAutograd")
        library.define("scores_into(Tensor a, Tensor b, *, Tensor(a!) out) -> Tensor(a!)")
        library.impl("scores_into", lambda a, b, *, out: out.copy_(a @ b.mT), "CompositeExplicitAutograd")
        library.define("composed(Tensor a, Tensor b) -> Tensor")
        library.impl("composed", lambda a, b: (a @ b.mT).relu(), "CompositeImplicitAutograd")
        library.define("several(Tensor a) -> (Tensor?, Tensor, int)")
        library.impl("several", lambda a: (None, a + 1, 3), "CompositeExplicitAutograd")
        yield library
    flop_registry.clear()
    flop_registry.update(before)


class Scores(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> Any:
        return getattr(torch.ops.modelbudget_test, self.name)(a, b)


class Model(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.scores = Scores(name)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> Any:
        return self.scores(a, b)


@pytest.mark.parametrize("way", WAYS)
def test_a_custom_operator_without_a_formula_is_reported_with_its_module(operators: Any, way: str) -> None:
    cost = attempt(lambda: Model("scores"), inputs=[(5, 8), (6, 8)], **WAYS[way])
    assert (cost.macs, cost.flops) == (0, 0)
    assert cost.uncounted == {"modelbudget_test::scores": 1}
    assert cost.uncounted_in == {"modelbudget_test::scores": ("scores",)}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("convention", "flops"), [("fvcore", 5 * 6 * 8), ("torch", 2 * 5 * 6 * 8)])
def test_a_registered_formula_is_used_as_it_is(operators: Any, way: str, convention: str, flops: int) -> None:
    register_flop_formula(torch.ops.modelbudget_test.scores)(lambda a, b, **_: 2 * a[0] * b[0] * a[1])
    cost = attempt(lambda: Model("scores"), inputs=[(5, 8), (6, 8)], convention=convention, **WAYS[way])
    assert (cost.macs, cost.flops, cost.activations) == (5 * 6 * 8, flops, 5 * 6)
    assert cost.uncounted == {}


@pytest.mark.parametrize("way", WAYS)
def test_a_formula_counts_an_operator_that_writes_into_a_tensor(operators: Any, way: str) -> None:
    register_flop_formula(torch.ops.modelbudget_test.scores_into)(lambda a, b, **_: 2 * a[0] * b[0] * a[1])
    into = written(lambda a, b: torch.ops.modelbudget_test.scores_into(a, b, out=a.new_empty(5, 6)))
    calls("into", into, [(5, 8), (6, 8)], macs=5 * 6 * 8, activations=5 * 6).check(way)


@pytest.mark.parametrize("way", WAYS)
def test_a_composed_custom_operator_is_what_it_is_made_of(operators: Any, way: str) -> None:
    cost = attempt(lambda: Model("composed"), inputs=[(5, 8), (6, 8)], **WAYS[way])
    assert (cost.macs, cost.activations, cost.uncounted) == (5 * 6 * 8, 5 * 6, {})


def test_a_registered_formula_may_belong_to_results_of_any_kind(operators: Any) -> None:
    register_flop_formula(torch.ops.modelbudget_test.several)(lambda *_, **__: 14)
    several = calls("several", lambda a: torch.ops.modelbudget_test.several(a), [(3, 4)], macs=7, activations=12)
    several.check("meta")
