"""Values that pass between the rooms cannot be changed, are equal by what they hold, and survive being copied."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest
import torch

from pytest_modelbudget import Cost, fit, measure, sweep
from pytest_modelbudget.values.frozen import FrozenMapping


@pytest.fixture(scope="module")
def cost() -> Cost:
    return measure(torch.nn.Linear(4, 5), inputs=(2, 4), mode="train", device="T4")


def test_it_is_a_mapping_and_nothing_else():
    held = {"a": 1, "b": 2}
    frozen = FrozenMapping(held)
    held["a"] = 3
    assert frozen == {"a": 1, "b": 2} == frozen
    assert (list(frozen), list(reversed(frozen.items())), len(frozen), repr(frozen)) == (
        ["a", "b"], [("b", 2), ("a", 1)], 2, "{'a': 1, 'b': 2}",
    )  # fmt: skip
    with pytest.raises(TypeError):
        frozen["a"] = 1  # type: ignore[index]
    assert pickle.loads(pickle.dumps(frozen)) == copy.deepcopy(frozen) == frozen


def test_nothing_in_a_cost_can_be_changed(cost):
    for holder in (cost, cost.peak, cost.throughput):
        for field in dataclasses.fields(holder):
            value = getattr(holder, field.name)
            assert not isinstance(value, (dict, list, set)), field.name
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(holder, field.name, value)
    with pytest.raises(TypeError):
        cost.modules[""] = None
    with pytest.raises(TypeError):
        Cost(1, 2, 3)


def test_a_cost_survives_copies_and_plain_data(cost):
    assert pickle.loads(pickle.dumps(cost)) == copy.deepcopy(cost) == Cost.from_dict(cost.to_dict()) == cost


def test_what_by_module_gives_is_the_callers_own(cost):
    cost.by_module().clear()
    cost.by_operator().clear()
    assert list(cost.by_module()) == [""]
    assert sum(cost.by_operator().values()) == cost.flops


def test_sweeps_and_fits_hold_nothing_that_changes():
    found = sweep(torch.nn.Linear(4, 5), inputs=("batch", 4), batch=[1, 2])
    best = fit(torch.nn.Linear(4, 5), inputs=("batch", 4), batch="1:8", flops=60)
    for value in (found, found.cells[0], best, best.found[0]):
        assert not any(isinstance(getattr(value, f.name), (dict, list, set)) for f in dataclasses.fields(value))
