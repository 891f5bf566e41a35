"""Whose error it is when a run raises, and what makes a model run for real."""

from __future__ import annotations

import pytest
from torch import nn

from pytest_modelbudget import ModelError, measure
from pytest_modelbudget.counting.meta.missing_data import MissingData


class Raises(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.error = error

    def forward(self, x):
        self.layer(x)
        raise self.error


class Outer(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.inner = Raises(error)

    def forward(self, x):
        return self.inner(x)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("not today"), "ValueError in module 'inner' (Raises): not today"),
        (NotImplementedError(), "NotImplementedError in module 'inner' (Raises): "),  # as of an abstract method
        (NotImplementedError("sparse"), "NotImplementedError in module 'inner' (Raises): sparse"),
        (RuntimeError("no metadata"), "RuntimeError in module 'inner' (Raises): no metadata"),
    ],
    ids=str,
)
def test_the_models_own_error_is_told_with_its_module_and_line(error, said):
    with pytest.raises(ModelError) as raised:
        measure(Outer(error), inputs=(2, 4))
    message = str(raised.value)
    assert said in message
    assert "test_blame.py:" in message
    assert "forward was given: float32 (2, 4)" in message
    assert raised.value.__cause__ is error


class Catches(nn.Module):
    """Asks for a value, and goes on without it."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        try:
            times = 1 if x.isfinite().all() else 2
        except RuntimeError:
            times = 3
        for _ in range(times):
            x = self.layer(x)
        return x


def test_a_model_that_catches_what_it_asked_for_is_run_for_real():
    cost = measure(Catches, inputs=(2, 4))
    assert (cost.executed, cost.macs) == ("real", 2 * 4 * 4)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("Cannot copy out of meta tensor; no data!"), "Cannot copy out of meta tensor; no data!"),
        (NotImplementedError(), "NotImplementedError"),
        (NotImplementedError("not on this planet"), None),
        (ValueError("not today"), None),
        (None, None),
    ],
    ids=str,
)
def test_the_reason_of_a_real_run(error, reason):
    assert MissingData().reason(error) == reason


def test_the_operator_that_asked_first_is_the_reason_whatever_came_of_it():
    missing = MissingData()
    for name in ("aten::item", "aten::nonzero"):
        missing.add(name)
    assert missing.reason() == missing.reason(ValueError("not today")) == "aten::item"
