"""``budget_unknown_ops``: what an operator without a formula does to a budget."""

from __future__ import annotations

import pytest
import torch
from suites import assert_clear, measured, outcomes, run

NAME = "modelbudget_tests::mystery"


@torch.library.custom_op(NAME, mutates_args=())
def mystery(values: torch.Tensor) -> torch.Tensor:
    return values.clone()


@mystery.register_fake
def _(values):
    return torch.empty_like(values)


NET = """
import torch

class Mystery(nn.Module):
    def forward(self, values):
        return torch.ops.modelbudget_tests.mystery(values)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 1, bias=False)
        self.mystery = Mystery()
        self.again = Mystery()

    def forward(self, image):
        return self.again(self.mystery(self.layer(image)))

@budget(model=Net, flops={flops}, res=8{rest})
def test_it(): ...
"""
KNOWN = 8 * 8 * 3 * 4  # of the convolution


def suite(flops="'1M'", rest=""):
    return NET.format(flops=flops, rest=rest)


@pytest.mark.parametrize("ini", ["", "budget_unknown_ops = error"])
def test_it_fails_the_budget_and_is_named_with_calls_and_modules(pytester, ini):
    pytester.makeini(f"[pytest]\n{ini}\n")
    result = run(pytester, suite())
    assert outcomes(result) == {"failed": 1}
    assert_clear(
        result,
        "not counted: 1 operator has no formula, so the numbers are too low",
        f"{NAME}: 2 calls, in mystery, again",
        "Teach it with torch.utils.flop_counter.register_flop_formula, or set budget_unknown_ops = warn.",
    )
    assert measured(result) == [KNOWN]


def test_warn_lets_it_pass_and_says_it_in_the_summary(pytester):
    pytester.makeini("[pytest]\nbudget_unknown_ops = warn\n")
    result = run(pytester, suite())
    assert outcomes(result) == {"passed": 1}
    assert_clear(result, "test_it: not counted: 1 operator has no formula", f"{NAME}: 2 calls, in mystery, again")


def test_warn_does_not_lift_the_limits(pytester):
    pytester.makeini("[pytest]\nbudget_unknown_ops = warn\n")
    result = run(pytester, suite(KNOWN - 1))
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, "over budget: flops 768 of 767")


def test_a_submodule_without_it_is_not_concerned(pytester):
    assert outcomes(run(pytester, suite(rest=", module='layer'"))) == {"passed": 1}


def test_a_submodule_with_it_is(pytester):
    result = run(pytester, suite(rest=", module='again'"))
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, f"{NAME}: 2 calls of the model, some in again")


def test_parameters_alone_are_still_refused(pytester):
    """A model that is not counted whole fails whatever is limited: the report would show FLOPs that are too low."""
    assert outcomes(run(pytester, suite().replace("flops='1M'", "params='1M'"))) == {"failed": 1}


def test_it_fails_what_the_fixture_measured(pytester):
    source = suite().replace("@budget(model=Net, flops='1M', res=8)", "").replace("test_it(): ...", "unused(): ...")
    result = run(pytester, source + "\ndef test_it(model_cost):\n    model_cost(Net, res=8)\n")
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, f"{NAME}: 2 calls, in mystery, again")


def test_a_bad_word_stops_the_run(pytester):
    pytester.makeini("[pytest]\nbudget_unknown_ops = warning\n")
    result = run(pytester, suite())
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_clear(result, "budget_unknown_ops = warning: allowed are error and warn. Did you mean 'warn'?")


OUTSIDE = """
import torch
from torch import nn
from pytest_modelbudget import budget


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x):
        return torch.from_numpy(self.layer(x).numpy() @ self.layer.weight.numpy())


@budget(model=Net, flops="1k", inputs=(2, 8))
def test_it(): ...
"""


def test_work_outside_pytorch_fails_the_budget_with_the_line_where_values_left(pytester):
    result = run(pytester, OUTSIDE)
    assert outcomes(result) == {"failed": 1}
    lines = (pytester.path / "test_cost.py").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "numpy" in text)
    assert_clear(
        result,
        "not counted: work is done where it cannot be seen, so the numbers are too low",
        f"values that left PyTorch by Tensor.numpy() at test_cost.py:{line}: 2 calls, in the model itself",
    )
    pytester.makeini("[pytest]\nbudget_unknown_ops = warn\n")
    assert outcomes(run(pytester, OUTSIDE)) == {"passed": 1}
