"""What cannot be trained, or is no loss or optimizer, is told in one clear message."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pytest_modelbudget import ModelError, UsageError, measure


class Chooses(nn.Module):
    """Gives an index, through which nothing can be differentiated."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x).argmax(1)


def linear() -> nn.Module:
    return nn.Linear(8, 4)


@pytest.mark.parametrize(
    ("build", "options", "error", "message"),
    [
        (Chooses, {}, ModelError, "the model cannot be trained: no output of its forward depends on a parameter"),
        (lambda: linear().requires_grad_(False), {}, ModelError, "it gave a tensor of shape (3, 4) and float32"),
        (nn.ReLU, {}, ModelError, "Measure it with mode='infer', or say what to minimise with loss="),
        (
            linear,
            {"loss": lambda out: out},
            UsageError,
            "loss= returned a tensor of shape (3, 4) and float32, not a sc",
        ),
        (linear, {"loss": lambda out: 3.0}, UsageError, "loss= returned a value of type float, not a scalar tensor"),
        (linear, {"loss": lambda out: out.detach().sum()}, ModelError, "the value of loss= does not depend on any par"),
        (linear, {"loss": "mse"}, UsageError, "loss='mse' is not a loss. Allowed: a callable"),
        (
            linear,
            {"loss": nn.CrossEntropyLoss()},
            UsageError,
            "CrossEntropyLoss takes (input: torch.Tensor, target",
        ),
        (linear, {"loss": lambda out, target: out}, UsageError, "loss=lambda output: criterion(output, targets)"),
        (linear, {"optimizer": "adamv"}, UsageError, "optimizer='adamv' is not an optimizer. Allowed: 'none', 'sgd'"),
        (linear, {"optimizer": 7}, UsageError, "optimizer=7 is not an optimizer"),
        (linear, {"optimizer": lambda p: p}, UsageError, "returned a value of type list, not an optimizer"),
        (linear, {"optimizer": torch.optim.SparseAdam, "mode": "infer"}, UsageError, "is for mode='train'"),
        (linear, {"loss": torch.sum, "mode": "infer"}, UsageError, "loss= is for mode='train'"),
        (linear, {"amp": "fp64"}, UsageError, "amp='fp64' is not a dtype of autocast. Allowed: 'bf16', 'fp16'."),
        (linear, {"attention": "maths"}, UsageError, "Did you mean 'math'?"),
        (linear, {"device": "A1000"}, UsageError, "device='A1000' is not a device. Did you mean 'A100"),
        (linear, {"counter": "fvcore"}, UsageError, "counter='fvcore' counts inference only"),
    ],
)
def test_it_is_told(build: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        measure(build, inputs=(3, 8), **{"mode": "train", **options})
    assert message in str(raised.value)


def test_an_optimizer_that_raises_is_named() -> None:
    def wrong(parameters: Any) -> Any:
        return torch.optim.SGD(parameters, lr=-1)

    with pytest.raises(UsageError, match="optimizer=wrong raised ValueError: Invalid learning rate"):
        measure(linear, inputs=(3, 8), mode="train", optimizer=wrong)


def test_an_error_in_forward_is_the_models_own() -> None:
    class Fails(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise ValueError("not today")

    with pytest.raises(ModelError, match="The model raised ValueError: not today"):
        measure(lambda: Fails(8, 4), inputs=(3, 8), mode="train")


LARGE = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import torchvision_ops
torchvision_ops.install()
import pathlib, transformers
from pytest_modelbudget import measure
config = transformers.LlamaConfig(
    vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32
)
cost = measure(lambda: transformers.LlamaForCausalLM(config), mode="train", batch=1, seq=2048, dtype="bf16")
assert (cost.executed, cost.params) == ("meta", 6_738_415_616), cost.notes
assert cost.peak.kinds["gradients"] == 2 * cost.params
assert cost.peak.kinds["optimizer"] >= 4 * cost.params
status = pathlib.Path("/proc/self/status").read_text().split()
print(int(status[status.index("VmHWM:") + 1]) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the most memory that a process had")
def test_a_step_of_seven_billion_parameters_takes_less_than_two_gigabytes() -> None:
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", LARGE], capture_output=True, text=True, check=True)
    assert int(run.stdout.split()[-1]) < 2 * 10**9


# -- the loss's own errors: the model is not run for them ----------------------------------------------------------


class Counted(nn.Module):
    """Says how often its forward ran for real."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 4)
        self.real_runs = 0

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        self.real_runs += not x.is_meta
        return {"logits": self.layer(x)}


def raises(output: Any) -> Any:
    raise RuntimeError("no labels")


def has_no_such_output(output: Any) -> Any:
    return output["boxes"].sum()


def has_wrong_targets(output: Any) -> Any:
    return nn.functional.cross_entropy(output["logits"], torch.zeros(5, dtype=torch.long))


def reads_and_has_no_targets(output: Any) -> Any:
    best = output["logits"].argmax(1).tolist()
    targets: Any = None
    return sum(targets[index] for index in best)


def gives_a_number(output: Any) -> Any:
    return output["logits"].sum().item()


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (raises, ModelError, "The loss raised RuntimeError: no labels"),
        (has_no_such_output, ModelError, "The loss raised KeyError: 'boxes'"),
        (has_wrong_targets, ModelError, "The loss raised ValueError: Expected input batch_size (3) to match target"),
        (reads_and_has_no_targets, ModelError, "The loss raised TypeError: 'NoneType' object is not subscriptable"),
        (gives_a_number, UsageError, "loss= returned a value of type float, not a scalar tensor"),
    ],
)
def test_an_error_of_the_loss_is_told_as_its_own_without_a_real_run(loss: Any, error: Any, message: str) -> None:
    model = Counted()
    with pytest.raises(error) as raised:
        measure(model, inputs=(3, 8), mode="train", loss=loss)
    assert message in str(raised.value)
    if error is ModelError:
        assert f"in {loss.__name__}: " in str(raised.value)
        assert "This is the loss's own error, at train with adamw; it was given: {logits: float32 (3, 4)}." in str(
            raised.value
        )
    assert model.real_runs == 0


def test_a_loss_that_reads_values_is_named_as_the_reason_of_a_real_run() -> None:
    def reads(output: Any) -> Any:
        return output["logits"].sum() if output["logits"].sum().item() < 1e9 else output["logits"].mean()

    cost = measure(Counted(), inputs=(3, 8), mode="train", loss=reads)
    assert cost.executed == "real"
    assert cost.notes[0].startswith("The loss reads values that the meta device does not have")


def test_a_loss_with_targets_on_the_cpu_is_counted_on_meta() -> None:
    targets = torch.zeros(3, dtype=torch.long)
    loss = nn.CrossEntropyLoss()
    cost = measure(Counted(), inputs=(3, 8), mode="train", loss=lambda output: loss(output["logits"], targets))
    assert (cost.executed, cost.flops) == ("meta", 2 * 3 * 8 * 4)  # the output, and the gradient of the weight
