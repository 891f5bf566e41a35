"""FLOPs of a training step: PyTorch's own counter over the same forward and backward, and numbers by hand."""

from __future__ import annotations

import pytest
import torch
from counting.live_bytes import as_written, summed
from memory_models import SAMPLES, Checkpointed
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pytest_modelbudget import measure

COUNTED = [name for name in SAMPLES if name not in ("lstm, long", "gru, long")]


@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.filterwarnings("ignore")
def test_as_pytorch_counts_forward_and_backward(name: str) -> None:
    """Where no kernel is fused; the optimizer multiplies no matrices."""
    sample = SAMPLES[name]
    cost = measure(sample.build, inputs=sample.inputs(), mode="train", convention="torch")
    reads_values = sample.tokens or name.startswith("regnet")
    with torch.device("cpu" if reads_values else "meta"):
        model, x = sample.build(), sample.inputs() if sample.tokens else torch.empty(sample.shape)
    counter = FlopCounterMode(display=False)
    with as_written(), counter:
        summed(model.train()(x)).backward()
    assert cost.uncounted == {}
    assert cost.flops == counter.get_total_flops()
    assert cost.flops == cost.forward_flops + cost.backward_flops


class Two(nn.Module):
    """Two layers, one frozen: ``(6, 16)`` to 24 and to 4."""

    def __init__(self, frozen: str = "") -> None:
        super().__init__()
        self.first, self.second = nn.Linear(16, 24), nn.Linear(24, 4)
        if frozen:
            getattr(self, frozen).requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x))


FIRST, SECOND = 6 * 16 * 24, 6 * 24 * 4


@pytest.mark.parametrize(
    ("frozen", "backward"),
    [
        ("", FIRST + 2 * SECOND),  # the input needs no gradient
        ("first", SECOND),  # nor does what the frozen layer gives
        ("second", FIRST + SECOND),  # its weight needs none, but what it was given does
    ],
)
def test_a_frozen_layer_shows(frozen: str, backward: int) -> None:
    cost = measure(lambda: Two(frozen), inputs=(6, 16), mode="train")
    assert (cost.forward_flops, cost.backward_flops) == (FIRST + SECOND, backward)
    assert cost.macs == FIRST + SECOND + backward
    rows = cost.by_module()
    assert rows["first"].flops + rows["second"].flops == cost.flops
    assert rows["second"].flops == SECOND + (SECOND if frozen else 2 * SECOND)
    assert cost.activations == 6 * (24 + 4)  # of the forward pass: gradients are none


def test_a_checkpoint_costs_compute_and_saves_memory() -> None:
    class Kept(Checkpointed):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x)
            for block in self.blocks:
                x = x + block(x)
            return x

    options = {"inputs": (64, 16), "mode": "train", "optimizer": "none"}
    again = measure(lambda: Checkpointed(reentrant=False), **options)
    kept = measure(lambda: Kept(reentrant=False), **options)
    block = 64 * (32 * 64 + 64 * 32)
    # early stopping leaves out what no gradient needs: the last product of each block
    assert kept.flops < again.flops <= kept.flops + 4 * block
    assert again.memory < kept.memory
    assert again.forward_flops == kept.forward_flops


def test_the_optimizer_has_its_state_and_no_more() -> None:
    """Adam keeps two numbers a parameter, and a count of its steps a tensor; momentum one; plain SGD none."""
    states = {"none": 0, "sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}
    parameters, tensors = 16 * 24 + 24 + 24 * 4 + 4, 4
    for name, copies in states.items():
        cost = measure(Two, inputs=(6, 16), mode="train", optimizer=name)
        steps = 4 * tensors if name.startswith("adam") else 0
        assert cost.peak.kinds["optimizer"] == copies * parameters * 4 + steps, name
        assert cost.point.optimizer == name


def test_an_optimizer_may_be_made_by_a_callable() -> None:
    cost = measure(Two, inputs=(6, 16), mode="train", optimizer=lambda p: torch.optim.RMSprop(p, momentum=0.9))
    assert cost.peak.kinds["optimizer"] == 2 * (16 * 24 + 24 + 24 * 4 + 4) * 4 + 4 * 4


def test_half_precision_halves_what_it_is_used_for() -> None:
    """In bf16 everything is half as large; under autocast weights, gradients and state stay what they are."""
    full = measure(Two, inputs=(64, 16), mode="train", optimizer="momentum")
    half = measure(Two, inputs=(64, 16), mode="train", optimizer="momentum", dtype="bf16")
    amp = measure(Two, inputs=(64, 16), mode="train", optimizer="momentum", amp="bf16")
    assert half.weights * 2 == full.weights == amp.weights
    for kind in ("weights", "gradients", "optimizer"):
        assert half.peak.kinds["weights"] * 2 == full.peak.kinds["weights"]
        assert amp.peak.kinds["weights"] == full.peak.kinds["weights"], kind
    assert amp.flops == full.flops == half.flops


def test_a_step_is_reported_with_what_it_was_measured_at() -> None:
    cost = measure(Two, batch=2, inputs=("batch", 16), mode="train", optimizer="sgd", amp="bf16", device="cuda")
    assert str(cost.point) == "batch 2, train with sgd, amp bf16, cuda"
    assert str(measure(Two, inputs=(6, 16), mode="train").point) == "train with adamw"
