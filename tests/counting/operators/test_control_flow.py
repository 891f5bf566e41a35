"""``cond``, ``while_loop``, ``map`` and ``scan`` cost what an ``if`` and a ``for`` cost, also in training."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from counting.live_bytes import inference_peak, summed, training_peak
from one_attempt import attempt
from torch import nn

from pytest_modelbudget import measure
from pytest_modelbudget.errors import ModelError

# A linear layer from 8 to 8 features on a row is 64 multiply-adds. In a training step its weights take as many
# again, and so does its input where that has a gradient.
X = (4, 8)


class Around(nn.Module):
    """A linear layer, and how it is called."""

    def __init__(self, call: Callable[..., Any]) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.call = call

    def forward(self, x: torch.Tensor) -> Any:
        return self.call(self.linear, x)


def operator(name: str) -> Any:
    """The function of an operator of control flow, which is loaded where it is called."""
    __import__(f"torch._higher_order_ops.{name}")
    return getattr(sys.modules[f"torch._higher_order_ops.{name}"], name)


def has_gradient(name: str) -> bool:
    known = {"while_loop": "WhileLoopAutogradOp", "scan": "ScanAutogradOp"}
    operator(name)
    return name not in known or hasattr(sys.modules[f"torch._higher_order_ops.{name}"], known[name])


def times(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return x @ weight


def branch(layer: Any, x: Any) -> Any:
    return torch.cond(x.sum() == x.sum(), lambda x: layer(x), lambda x: layer(layer(x)), (x,))


def plain_branch(layer: Any, x: Any) -> Any:
    taken = x.sum() == x.sum()
    return layer(x) if taken else layer(layer(x))


def branch_of_weights(layer: Any, x: Any) -> Any:
    return torch.cond(x.sum() == x.sum(), times, lambda x, weight: x @ weight @ weight, (x, layer.weight))


def other_branch(layer: Any, x: Any) -> Any:
    return torch.cond(x.sum() != x.sum(), lambda x: layer(x), lambda x: layer(layer(x)), (x,))


def loop(layer: Any, x: Any) -> Any:
    return operator("while_loop")(lambda i, x: i < 3, lambda i, x: (i + 1, layer(x)), (torch.tensor(0), x))[1]


def plain_loop(layer: Any, x: Any) -> Any:
    i = start = torch.tensor(0)
    goes_on = i < 3
    while goes_on:
        i, x = i + 1, layer(x)
        goes_on = i < 3
    del start
    return x


def rows(layer: Any, x: Any) -> Any:
    return operator("map")(lambda row: layer(row).relu(), x)


def plain_rows(layer: Any, x: Any) -> Any:
    return torch.stack([layer(row).relu() for row in x])


def nested_rows(layer: Any, x: Any) -> Any:
    return operator("map")(lambda row: operator("map")(lambda number: number * 2.0, row) @ layer.weight, x)


def plain_nested_rows(layer: Any, x: Any) -> Any:
    return torch.stack([torch.stack([number * 2.0 for number in row]) @ layer.weight for row in x])


def scanned(layer: Any, x: Any) -> Any:
    step = lambda carry, row: ((layer(carry) + row).tanh(), carry * 1.0)  # noqa: E731
    return operator("scan")(step, layer.bias.clone(), x)


def plain_scanned(layer: Any, x: Any) -> Any:
    carry, outs = layer.bias.clone(), []
    for i in range(len(x)):
        carry, out = (layer(carry) + x.select(0, i)).tanh(), carry * 1.0
        outs.append(out)
    return carry, torch.stack(outs)


def backwards(layer: Any, x: Any) -> Any:
    return operator("scan")(lambda c, y: (layer(c) + y, c * 1.0), x.select(0, 0) * 1.0, x.mT, dim=1, reverse=True)


def associative(layer: Any, x: Any) -> Any:
    return operator("associative_scan")(lambda a, b: a * b, layer(x), 0, combine_mode="generic")


FORWARD = {
    branch: 4 * 64, branch_of_weights: 4 * 64, other_branch: 8 * 64, loop: 12 * 64,
    rows: 4 * 64, nested_rows: 4 * 64, scanned: 4 * 64, associative: 4 * 64,
}  # fmt: skip
BACKWARD = {
    branch: 4 * 64, branch_of_weights: 4 * 64,
    other_branch: 8 * 64 + 4 * 64,  # the input of the second layer has a gradient
    loop: 12 * 64 + 8 * 64,
    rows: 4 * 64, nested_rows: 4 * 64,
    scanned: 4 * 64 + 4 * 64,  # the first carry has a gradient, too
    associative: 4 * 64,
}  # fmt: skip
PLAIN: dict[Any, Any] = {
    branch: plain_branch,
    branch_of_weights: lambda layer, x: times(x, layer.weight if x.sum() == x.sum() else x),
    other_branch: lambda layer, x: layer(x) if x.sum() != x.sum() else layer(layer(x)),
    loop: plain_loop,
    rows: plain_rows,
    nested_rows: plain_nested_rows,
    scanned: plain_scanned,
}
OPERATOR = {loop: "while_loop", scanned: "scan"}
TRAIN = {"mode": "train", "optimizer": "sgd", "loss": summed}


@pytest.mark.parametrize("call", FORWARD, ids=lambda call: call.__name__)
@pytest.mark.parametrize("grad", [False, True])
def test_control_flow_costs_what_runs(call: Any, grad: bool) -> None:
    cost = measure(lambda: Around(call), inputs=X)
    real = attempt(Around(call), inputs=X, real=True, grad=grad)
    assert (cost.macs, real.macs) == (FORWARD[call],) * 2
    assert (cost.uncounted, real.uncounted) == ({}, {})
    assert grad or real.memory == cost.memory


@pytest.mark.parametrize("call", FORWARD, ids=lambda call: call.__name__)
def test_control_flow_trains_as_python_does(call: Any) -> None:
    name = OPERATOR.get(call, "cond")
    if not has_gradient(name):
        with pytest.raises(ModelError, match=f"Autograd not implemented for {name}"):
            measure(lambda: Around(call), inputs=X, **TRAIN)
        return
    cost = measure(lambda: Around(call), inputs=X, **TRAIN)
    assert (cost.macs, cost.backward_flops, cost.uncounted) == (FORWARD[call] + BACKWARD[call], BACKWARD[call], {})
    if call in PLAIN:
        plain = measure(lambda: Around(PLAIN[call]), inputs=X, **TRAIN)
        same = ("flops", "macs", "activations", "memory", "executed")
        assert [getattr(cost, name) for name in same] == [getattr(plain, name) for name in same]
        model = Around(PLAIN[call])
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        assert cost.memory == training_peak(model, optimizer, torch.randn(X), loss=summed)


@pytest.mark.parametrize("call", [branch, loop, rows, nested_rows], ids=lambda call: call.__name__)
def test_the_peak_of_control_flow_is_that_of_python(call: Any) -> None:
    assert measure(lambda: Around(call), inputs=X).memory == inference_peak(Around(PLAIN[call]), torch.randn(X))


@pytest.mark.parametrize("length", [1, 4, 16])
def test_a_scan_runs_each_row_once_and_writes_it_into_the_whole(length: int) -> None:
    """Alive are weights and rows; the whole, and indices into it twice; the first row's output; of this row carry and
    output; the carry to begin with.
    """
    cost = measure(lambda: Around(scanned), inputs=(length, 8))
    assert (cost.macs, cost.activations) == (length * 64, length * 8)
    assert cost.modules["linear"].calls == length
    if length > 1:
        assert cost.memory == 4 * (72 + 8 * length) + 4 * 8 * length + 2 * 8 * 8 + 4 * 4 * 8


def test_a_scan_goes_backwards_along_any_dimension() -> None:
    cost = measure(lambda: Around(backwards), inputs=X)
    assert cost.macs == 4 * 64


@pytest.mark.parametrize("call", [branch, rows], ids=lambda call: call.__name__)
def test_a_measured_step_trains_control_flow_as_well(call: Any) -> None:
    cost = measure(lambda: Around(call), inputs=X, measured=True, **TRAIN)
    assert cost.measured.memory == cost.memory


def test_an_associative_scan_runs_what_it_combines_and_no_trial() -> None:
    """Three rounds: 2 and 1 pairs of 4, and the one element between. A pair of rows is 8 products with 8 weights."""
    combine = lambda layer, x: operator("associative_scan")(  # noqa: E731
        lambda a, b: (a + b) @ layer.weight, x, 0, combine_mode="generic"
    )
    assert measure(lambda: Around(combine), inputs=X).macs == (2 + 1 + 1) * 64


def test_what_runs_without_gradients_has_none() -> None:
    def frozen(layer: Any, x: Any) -> Any:
        with torch.no_grad():
            x = rows(layer, x)
        return layer(x)

    assert measure(lambda: Around(frozen), inputs=X, **TRAIN).macs == 4 * 64 * 3


@pytest.mark.parametrize("mode", ["infer", "train"])
@pytest.mark.parametrize("call", [branch, rows], ids=lambda call: call.__name__)
def test_autocast_reaches_what_control_flow_runs(call: Any, mode: str) -> None:
    options = {**TRAIN, "amp": "bf16"} if mode == "train" else {"amp": "bf16"}
    cost, plain = (measure(lambda c=c: Around(c), inputs=X, **options) for c in (call, PLAIN[call]))
    assert (cost.macs, cost.memory) == (plain.macs, plain.memory)
