"""Fused optimizers: element-wise, so free, and on meta as on the devices that PyTorch has them for."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from torch import nn

from pytest_modelbudget import measure

PARAMETERS = 4 * (8 * 8 + 8)
STEPS = 2 * 4  # one for the weight and one for the bias
# Weights and their gradients, the input, the loss and its gradient.
BACKWARD = 2 * PARAMETERS + 4 * 2 * 8 + 2 * 4

OPTIMIZERS = [
    ("AdamW", {}, 2 * PARAMETERS + STEPS),
    ("Adam", {"amsgrad": True}, 3 * PARAMETERS + STEPS),
    ("Adam", {"lr": torch.tensor(1e-3)}, 2 * PARAMETERS + STEPS),
    ("SGD", {"lr": 0.1, "momentum": 0.9}, PARAMETERS),
    ("SGD", {"lr": 0.1}, 0),
    ("Adagrad", {}, PARAMETERS + STEPS),  # whose state is there before its first step
]


@pytest.mark.parametrize(("name", "options", "state"), OPTIMIZERS)
def test_a_fused_optimizer_changes_its_parameters_in_place(name: str, options: Any, state: int) -> None:
    """Beside its state it has nothing alive, so the peak of a step is that of backward, with its state in it."""

    def fused(parameters: Any) -> Any:
        return getattr(torch.optim, name)(parameters, fused=True, **options)

    cost = measure(nn.Linear(8, 8), inputs=(2, 8), mode="train", optimizer=fused, measured=True)
    assert (cost.executed, cost.uncounted, cost.notes) == ("meta", {}, ())
    assert cost.macs == 2 * 2 * 8 * 8
    assert cost.memory == BACKWARD + state
    if cost.measured.device == "cpu":
        assert cost.measured.memory == cost.memory


@pytest.mark.parametrize("options", [{"foreach": True}, {"foreach": False}])
@pytest.mark.parametrize("name", ["AdamW", "Adagrad"])
def test_a_step_beside_it_remembers_as_much(name: str, options: Any) -> None:
    """What changes in place and returns nothing is seen in a real run as well."""

    def make(parameters: Any) -> Any:
        return getattr(torch.optim, name)(parameters, **options)

    cost = measure(nn.Linear(8, 8), inputs=(2, 8), mode="train", optimizer=make, measured=True)
    if cost.measured.device == "cpu":
        assert cost.measured.memory == cost.memory


@pytest.mark.parametrize("options", [{"foreach": True}, {"foreach": False}], ids=str)
@pytest.mark.parametrize("name", ["Adadelta", "Adam", "AdamW", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "Rprop"])
def test_an_optimizer_for_cuda_graphs(name: str, options: Any, monkeypatch: Any) -> None:
    """PyTorch allows ``capturable=True`` on GPUs alone; its check is lifted here to run the step on a CPU as well."""

    def make(parameters: Any) -> Any:
        return getattr(torch.optim, name)(parameters, capturable=True, **options)

    arguments: dict[str, Any] = {"inputs": (2, 8), "mode": "train", "optimizer": make}
    cost = measure(nn.Linear(8, 8), **arguments)
    assert (cost.executed, cost.uncounted) == ("meta", {})
    assert measure(nn.Linear(8, 8), device="cuda", **arguments).macs == cost.macs
    for module in {name.lower(), name.removesuffix("W").lower()}:  # from 2.7 on, AdamW steps as Adam
        asks = "_get_capturable_supported_devices"
        monkeypatch.setattr(sys.modules[f"torch.optim.{module}"], asks, lambda *args, **options: ["cpu"], raising=False)
    measured = measure(nn.Linear(8, 8), measured=True, **arguments).measured
    if measured.device == "cpu":
        assert measured.memory == cost.memory


def test_pytorch_refuses_meta_again_after_a_measurement() -> None:
    measure(
        nn.Linear(8, 8),
        inputs=(2, 8),
        mode="train",
        optimizer=lambda parameters: torch.optim.AdamW(parameters, fused=True),
    )
    weight = nn.Parameter(torch.ones(2, device="meta"))
    weight.grad = torch.ones(2, device="meta")
    with pytest.raises(RuntimeError, match="fused=True"):
        torch.optim.AdamW([weight], fused=True).step()
