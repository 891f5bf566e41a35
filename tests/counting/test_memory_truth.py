"""Predicted on meta, the peak is that of the same step really run on the CPU, to the byte."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from live_bytes import inference_peak, training_peak
from memory_models import SAMPLES
from torch import nn
from torch.utils._pytree import tree_leaves

from pytest_modelbudget import measure

OPTIMIZERS = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}


def summed(output: Any) -> torch.Tensor:
    """The sum of everything in an output that can be differentiated."""
    parts = [t.sum() for t in tree_leaves(dict(output) if hasattr(output, "keys") else output) if t.requires_grad]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def built(name: str) -> tuple[nn.Module, torch.Tensor]:
    """A real model, its lazy layers initialised, and its inputs."""
    sample = SAMPLES[name]
    model, x = sample.build(), sample.inputs()
    with torch.no_grad():
        model.eval()(x)
    return model, x


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.filterwarnings("ignore")
def test_inference(name: str) -> None:
    model, x = built(name)
    cost = measure(SAMPLES[name].build, inputs=x, attention="math")
    assert cost.executed == "meta"
    assert cost.memory == inference_peak(model, x)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.filterwarnings("ignore")
def test_training(name: str, optimizer: str) -> None:
    model, x = built(name)
    real = OPTIMIZERS[optimizer](model.parameters(), lr=1e-3)
    cost = measure(SAMPLES[name].build, inputs=x, attention="math", mode="train", optimizer=optimizer)
    assert cost.executed == "meta"
    assert cost.memory == training_peak(model, real, x, loss=summed)


class UnderAutocast(nn.Module):
    """A model and its loss, run as people do it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return summed(self.model(x))


@pytest.mark.parametrize(
    "name", ["checkpointed", "checkpointed, reentrant", "encoder layer", "resnet18", "bert", "own function", "frozen"]
)
@pytest.mark.filterwarnings("ignore")
def test_training_under_autocast(name: str) -> None:
    """Also of what a checkpoint runs again in backward."""
    model, x = built(name)
    real = torch.optim.SGD(model.parameters(), lr=1e-3)
    cost = measure(SAMPLES[name].build, inputs=x, attention="math", mode="train", optimizer="sgd", amp="bf16")
    assert cost.executed == "meta"
    assert cost.memory == training_peak(UnderAutocast(model), real, x, loss=lambda value: value)
    assert measure(SAMPLES[name].build, inputs=x, mode="train", amp="bf16", device="cuda").executed == "meta"
