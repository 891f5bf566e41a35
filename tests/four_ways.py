"""Measuring a module in each of the four ways there are: on meta or for real, without autograd or with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from one_attempt import attempt
from releases import needs
from torch import nn
from torch.utils._pytree import tree_map

from pytest_modelbudget import Cost, ModuleCost, tensor

WAYS: dict[str, dict[str, bool]] = {
    "meta": {"real": False, "grad": False},
    "meta+grad": {"real": False, "grad": True},
    "real": {"real": True, "grad": False},
    "real+grad": {"real": True, "grad": True},
}


@dataclass(frozen=True)
class Case:
    """A module, what it is called with, and what it must cost, derived by hand.

    ``flops`` (as fvcore counts) are the multiply-adds unless given. ``not_on`` names the ways that cannot run,
    with words of the error that says why: a way that begins to work must be taken off that list.
    """

    name: str
    build: Callable[[], nn.Module]
    inputs: Any
    macs: int
    activations: int
    flops: int | None = None
    torch_flops: int | None = None
    uncounted: Mapping[str, int] = field(default_factory=dict)
    not_on: Mapping[str, str] = field(default_factory=dict)
    needs: str = "torch"

    def measure(self, way: str, convention: str = "fvcore") -> Cost:
        """The cost counted in one way."""
        return attempt(self.build, inputs=self.inputs, convention=convention, **WAYS[way])

    def check(self, way: str) -> None:
        """Counted in this way, the case costs what it must; or it cannot run, for the reason given."""
        if way in self.not_on:
            with pytest.raises(Exception, match=self.not_on[way]):
                self.measure(way)
            return
        cost = self.measure(way)
        counted = (cost.macs, cost.flops, cost.activations, cost.uncounted)
        expected = (self.macs, self.macs if self.flops is None else self.flops, self.activations, self.uncounted)
        assert counted == expected
        assert cost.executed == way.partition("+")[0]

    def check_torch_convention(self) -> None:
        """In the convention of ``torch.utils.flop_counter``: two a multiply-add, and nothing else."""
        way = next(way for way in WAYS if way not in self.not_on)
        expected = 2 * self.macs if self.torch_flops is None else self.torch_flops
        assert self.measure(way, convention="torch").flops == expected


def without_kernel(name: str) -> dict[str, str]:
    """``not_on`` of an operator that this release of PyTorch has no kernel of for a CPU."""
    known = torch._C._dispatch_has_kernel(name)
    lacks = known and not torch._C._dispatch_has_computed_kernel_for_dispatch_key(name, "CPU")
    return dict.fromkeys(["real", "real+grad"], f"Could not run '{name}'") if lacks else {}


def rows(cost: Cost) -> dict[str, ModuleCost]:
    """The modules without what they keep in memory, which depends on the kernels that a run has."""
    return {name: replace(row, memory=0) for name, row in cost.by_module().items()}


class Calls(nn.Module):
    """A module whose forward is a function. With autograd on, its inputs require gradients."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Any) -> Any:
        if torch.is_grad_enabled():
            inputs = tree_map(_differentiable, inputs)
        return self.function(*inputs)


def _differentiable(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex()):
        return value.requires_grad_().clone()  # a leaf could not be changed in place
    return value


def not_on_meta(why: str) -> dict[str, str]:
    """``not_on`` for what runs on real data only."""
    return {"meta": why, "meta+grad": why}


def written(function: Callable[..., Any]) -> Callable[..., Any]:
    """Call ``function`` with an ``out=`` of its own; autograd does not support those."""

    def call(*args: Any) -> Any:
        with torch.no_grad():
            return function(*args)

    return call


def calls(name: str, function: Callable[..., Any], inputs: Any, **expected: Any) -> Case:
    """A case for a function of tensors."""
    return Case(name, lambda: Calls(function), inputs, **expected)


def module(name: str, build: Callable[[], nn.Module], *inputs: Any, **expected: Any) -> Case:
    """A case for a module and its inputs, tensors or their shapes."""
    return Case(name, build, tuple(map(_argument, inputs)), **expected)


def free(name: str, build: Callable[[], nn.Module], *inputs: Any, flops: int = 0, **expected: Any) -> Case:
    """A module that multiplies nothing: no multiply-adds, no activations, and FLOPs in fvcore's convention only."""
    return module(name, build, *inputs, macs=0, activations=0, flops=flops, **expected)


def _argument(value: Any) -> Any:
    """A tuple of numbers as the tensor of that shape; tuples in tuples, too."""
    if not isinstance(value, tuple):
        return value
    return tensor(*value) if all(isinstance(size, int) for size in value) else tuple(map(_argument, value))


def each_way(cases: list[Case]) -> Callable[[Any], Any]:
    """Parametrize a test with ``case`` and ``way``: every case in every way."""
    pairs = [
        pytest.param(case, way, id=f"{case.name}-{way}", marks=needs(case.needs)) for case in cases for way in WAYS
    ]
    return pytest.mark.parametrize(("case", "way"), pairs)


def each(cases: list[Case]) -> Callable[[Any], Any]:
    """Parametrize a test with ``case``."""
    return pytest.mark.parametrize(
        "case", [pytest.param(case, id=case.name, marks=needs(case.needs)) for case in cases]
    )
