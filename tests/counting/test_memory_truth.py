"""Predicted on meta, the peak is that of the same step really run on the CPU, to the byte."""

from __future__ import annotations

import pytest
import torch
from counting.live_bytes import inference_peak, summed, training_peak
from memory_models import SAMPLES
from torch import nn

from pytest_modelbudget import measure

OPTIMIZERS = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}


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
