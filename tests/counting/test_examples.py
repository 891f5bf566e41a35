"""A model's own example of its inputs, where nothing else is said."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_modelbudget import UsageError, measure


class WithExample(nn.Linear):
    """Eight multiply-adds a row."""

    def __init__(self) -> None:
        super().__init__(4, 2)
        self.example_input_array = torch.zeros(3, 4)


class WithDummies(nn.Linear):
    def __init__(self) -> None:
        super().__init__(4, 2)

    @property
    def dummy_inputs(self) -> dict[str, torch.Tensor]:
        return {"input": torch.zeros(5, 4)}


@pytest.mark.parametrize(("build", "rows"), [(WithExample, 3), (WithDummies, 5)])
def test_it_is_the_input(build, rows):
    model = build()
    for target in (build, model):
        cost = measure(target)
        assert (cost.executed, cost.macs) == ("meta", 8 * rows)
    assert measure(model, mode="train").backward_flops == 8 * rows
    assert not getattr(model, "example_input_array", torch.zeros(1)).is_meta


def test_what_is_said_is_taken_instead():
    assert measure(WithExample, inputs=(7, 4)).macs == 8 * 7


def test_it_stands_for_no_size_and_no_other_method():
    for given in ({"batch": 2}, {"method": "extra_repr"}):
        with pytest.raises(UsageError, match="There are no inputs"):
            measure(WithExample, **given)
