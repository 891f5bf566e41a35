"""Releases of PyTorch: one that was not tried is told and checked, one that lacks something says what to install."""

from __future__ import annotations

import subprocess
import sys
import warnings

import pytest
import torch
from torch import nn

from pytest_modelbudget import measure
from pytest_modelbudget.counting import self_check
from pytest_modelbudget.counting.operators import registry
from pytest_modelbudget.counting.operators.count import multiply_adds
from pytest_modelbudget.counting.pytorch import versions
from pytest_modelbudget.errors import VersionError


@pytest.fixture
def untried(monkeypatch):
    """PyTorch says that it is of a release to come, and nothing was measured yet."""
    monkeypatch.setattr(torch, "__version__", "3.1.0.dev20300101+cpu")
    monkeypatch.setattr(self_check, "_done", False)


def test_the_small_counts_are_right_on_this_release():
    from pytest_modelbudget.counting.measure import count

    assert [line for check in self_check._CHECKS for line in self_check._differences(check, count)] == []


def measured_twice():
    measure(nn.Linear(4, 3), inputs=(2, 4))
    measure(nn.Linear(4, 3), inputs=(2, 4))


def test_an_untried_release_is_told_once(untried):
    with pytest.warns(UserWarning, match=r"PyTorch 3\.1\.0\.dev20300101 has not been tried") as told:
        measured_twice()
    (warning,) = told
    assert str(warning.message).endswith(
        f"({versions.TRIED} were): counts may differ. 8 small counts that were checked are right."
    )
    assert warning.filename == __file__


def test_a_release_in_which_something_is_not_counted_says_so(untried, monkeypatch):
    monkeypatch.setitem(registry.FORMULAS, "aten::conv2d", lambda *args, **kwargs: multiply_adds(0, 0))
    with pytest.warns(UserWarning, match="counts may differ") as told:
        measure(nn.Linear(4, 3), inputs=(2, 4))
    assert "a convolution has macs 0, not 3888; a convolution has flops 0, not 3888." in str(told[0].message)
    assert "a linear layer" not in str(told[0].message)


def test_a_tried_release_is_measured_without_a_word():
    assert versions.is_tried()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measure(nn.Linear(4, 3), inputs=(2, 4))


NEW = "aten::a_product_of_a_later_release"


@pytest.fixture
def new_operator():
    """An operator that no release has, in PyTorch's own namespace: a product, on any device."""
    with torch.library._scoped_library("aten", "FRAGMENT") as library:
        name = NEW.partition("::")[2]
        library.define(f"{name}(Tensor a, Tensor b) -> Tensor")
        library.impl(name, lambda a, b: a.new_empty(a.shape[0], b.shape[1]), "CompositeExplicitAutograd")
        yield getattr(torch.ops.aten, name)


class Uses(nn.Module):
    def __init__(self, operator):
        super().__init__()
        self.operator = operator

    def forward(self, x):
        return self.operator(x, x)


@pytest.mark.filterwarnings("ignore:.*has not been tried")
def test_a_new_operator_of_an_untried_release_is_reported(untried, new_operator):
    cost = measure(Uses(new_operator), inputs=(4, 4))
    assert cost.uncounted == {NEW.removeprefix("aten::"): 1}
    assert cost.executed == "meta"


def test_a_new_operator_is_reported_in_each_phase_and_module(new_operator):
    cost = measure(nn.Sequential(Uses(new_operator), nn.Linear(4, 4), Uses(new_operator)), inputs=(4, 4))
    assert cost.uncounted == {NEW.removeprefix("aten::"): 2}
    assert cost.uncounted_in == {NEW.removeprefix("aten::"): ("0", "2")}


@pytest.mark.parametrize(
    ("release", "tried"),
    [("2.5.1", False), ("2.6.0+cu124", True), ("2.13.0", True), ("2.15.3", True), ("2.16.0a0", False), ("10.1", False)],
)
def test_which_releases_were_tried(release, tried, monkeypatch):
    monkeypatch.setattr(torch, "__version__", release)
    assert versions.is_tried() is tried


def test_a_release_that_moved_a_private_name_says_which(monkeypatch):
    """Counting cannot be imported then. The message says what is missing and what was tried."""
    code = """
        import torch
        del torch._C._ExcludeDispatchKeyGuard
        torch.__version__ = "3.1.0"
        from pytest_modelbudget import BudgetError
        try:
            from pytest_modelbudget import measure
        except BudgetError as error:
            print(error)
    """
    lines = "\n".join(line.removeprefix("        ") for line in code.splitlines())
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=False)
    assert done.stdout.strip().splitlines() == [
        "PyTorch 3.1.0 is not one that models can be measured with: module 'torch._C' has no attribute "
        "'_ExcludeDispatchKeyGuard'. pytest-modelbudget was tried with "
        f"{versions.TRIED}: install one of these, or a newer pytest-modelbudget."
    ], done.stderr
    assert issubclass(VersionError, Exception)
