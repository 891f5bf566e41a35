"""Steps as people train: another method, a step of one's own, micro-batches, several optimizers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from counting.live_bytes import LiveBytes, as_written
from releases import RELEASE
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from pytest_modelbudget import Cost, ModelError, UsageError, measure, tensor

BATCH = (tensor("batch", 6), tensor("batch", dtype="int64", high=3))


class Coder(nn.Module):
    """By hand: encoding two samples is 2 * 6 * 4 = 48 multiply-adds, decoding 2 * 4 * 3 = 24."""

    def __init__(self) -> None:
        super().__init__()
        self.coder = nn.Linear(6, 4)
        self.decoder = nn.Linear(4, 3)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return self.coder(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encode(x))

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        x, y = batch
        return cross_entropy(self(x), y)

    def loss(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": cross_entropy(self(x), y)}


class WithOptimizers(Coder):
    """Its optimizers are in the form ``found``."""

    found: Callable[[Any, Any], Any]

    def configure_optimizers(self) -> Any:
        return type(self).found(torch.optim.SGD(self.coder.parameters(), momentum=0.9),
                                torch.optim.Adam(self.decoder.parameters()))  # fmt: skip


class Adversaries(nn.Module):
    """A whole step, as with ``automatic_optimization = False``: it has its optimizers from its trainer."""

    automatic_optimization = False

    def __init__(self) -> None:
        super().__init__()
        self.maker, self.judge = nn.Linear(5, 7), nn.Linear(7, 1)

    def configure_optimizers(self) -> Any:
        return [torch.optim.Adam(self.maker.parameters()), torch.optim.Adam(self.judge.parameters())], []

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        for_maker, for_judge = self.optimizers()
        self.toggle_optimizer(for_maker)
        for_maker.zero_grad()
        self.manual_backward(-self.judge(self.maker(batch)).mean())
        for_maker.step()
        self.untoggle_optimizer(for_maker)
        self.log("made", 1)
        for_judge.zero_grad()
        self.manual_backward(self.judge(self.maker(batch).detach()).mean())
        self.clip_gradients(for_judge, 0.5)
        for_judge.step()


def trained(**arguments: Any) -> Cost:
    return measure(**{"model": Coder, "inputs": BATCH, "batch": 2, "mode": "train", **arguments})


def really_run(model: nn.Module, step: Callable[[], None], *held: torch.Tensor) -> tuple[int, int]:
    """The peak of the second of two steps, and the FLOPs of the third, two for a multiply-add."""
    with as_written(), LiveBytes(*model.parameters(), *held) as live:
        step()
        live.peak = live.live
        step()
    with FlopCounterMode(display=False) as counter:
        step()
    return live.peak, counter.get_total_flops()


def test_another_method_is_called_instead_of_forward():
    assert measure(Coder, inputs=("batch", 6), batch=2, method="encode").macs == 48
    assert measure(Coder, inputs=("batch", 6), batch=2).macs == 48 + 24
    assert measure(Coder, inputs=("batch", 6), batch=2, method="forward").point.method is None
    training = measure(Coder, inputs=("batch", 6), batch=2, method="encode", mode="train")
    assert (training.forward_flops, training.backward_flops) == (48, 48)  # the input needs no gradient


@pytest.mark.parametrize(
    "step",
    [
        "training_step",
        "loss",
        lambda model, batch: cross_entropy(model(batch[0]), batch[1]),
        lambda model, x, y: (cross_entropy(model(x), y), "more"),
        lambda model, batch: cross_entropy(model(batch[0]), batch[1]).backward(),
    ],
)
def test_a_step_gets_the_batch(step):
    """By hand: forward 48 + 24; backward 24 for each of the decoder's operands, 48 for the coder's weight.

    The labels of the batch are two int64, which are alive from the beginning.
    """
    cost = trained(step=step)
    assert (cost.executed, cost.forward_flops, cost.backward_flops) == ("meta", 72, 96)
    assert cost.memory == trained(inputs=BATCH[:1], loss=lambda out: cross_entropy(out, _labels(out))).memory + 2 * 8


ADDS_SPARSE = RELEASE >= (2, 10)
"""Whether a sparse gradient can be added to a parameter on meta."""


def _labels(out: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(out), dtype=torch.int64, device=out.device)


def test_a_method_of_a_model_that_is_given_is_its_step():
    model = Coder()
    assert measure(model, inputs=BATCH, batch=2, mode="train", step=model.training_step).backward_flops == 96


def test_keyword_inputs_are_a_dict():
    inputs = {"x": BATCH[0], "y": BATCH[1]}
    for step in ("loss", lambda model, batch: model.loss(**batch)):
        assert trained(inputs=inputs, step=step).backward_flops == 96


@pytest.mark.parametrize("accumulate", [1, 2, 3, 7])
@pytest.mark.parametrize(  # AdamW takes no sparse gradients
    ("optimizer", "sparse"), [("sgd", False), ("sgd", True), ("adamw", False), ("none", False), ("none", True)]
)
def test_micro_batches_are_those_of_a_real_loop(accumulate, optimizer, sparse):
    def build() -> nn.Module:
        layers = [nn.Linear(30, 40), nn.ReLU(), nn.Linear(40, 30)]
        return nn.Sequential(*([nn.Embedding(50, 30, sparse=True)] if sparse else []), *layers)

    ids = torch.zeros(8, dtype=torch.int64)
    x = ids if sparse else torch.randn(8, 30)
    model = build()
    real = {"sgd": lambda p: torch.optim.SGD(p, lr=1e-3), "adamw": torch.optim.AdamW, "none": lambda p: None}
    stepping = real[optimizer](model.parameters())

    def step() -> None:
        model.zero_grad()
        for _ in range(accumulate):
            model(x).sum().backward()
        if stepping is not None:
            stepping.step()

    memory, flops = really_run(model, step, x)
    cost = measure(build, inputs=(x,), mode="train", optimizer=optimizer, accumulate=accumulate, convention="torch")
    sums_sparse = sparse and (accumulate > 1 or (optimizer == "sgd" and not ADDS_SPARSE))
    assert cost.executed == ("real" if sums_sparse else "meta")
    assert (cost.memory, cost.flops) == (memory, flops)
    assert cost.by_module()["1"].calls == accumulate
    alone = measure(build, inputs=(x,), mode="train", optimizer=optimizer, convention="torch")
    for metric in ("flops", "macs", "activations", "backward_flops"):
        assert cost.metric(metric) == accumulate * alone.metric(metric)


def test_a_predicted_step_has_all_micro_batches():
    one, four = (
        measure(Coder, inputs=("batch", 6), batch=2, mode="train", optimizer="none", accumulate=n, device="T4")
        for n in (1, 4)
    )
    assert four.throughput.batch == 8
    assert four.latency > 3 * one.latency


@pytest.mark.parametrize(
    "found",
    [
        lambda one, other: [one, other],
        lambda one, other: ([one, other], []),
        lambda one, other: ({"optimizer": one}, {"optimizer": other, "frequency": 1}),
    ],
)
def test_the_models_own_optimizers(found):
    """By hand: momentum is 6 * 4 + 4 floats; Adam has twice 4 * 3 + 3, and a step count for each of two."""
    built = type("Built", (WithOptimizers,), {"found": staticmethod(found)})
    state = 4 * (28 + 2 * 15 + 2)
    assert trained(model=built, step="training_step").peak.kinds["optimizer"] == state
    assert trained(model=built, step="training_step", optimizer="sgd").peak.kinds["optimizer"] == 0
    two = trained(
        inputs=BATCH[:1],
        optimizer=lambda params: [torch.optim.SGD(params[:1]), torch.optim.SGD(params[1:], momentum=0.9)],
    )
    assert two.peak.kinds["optimizer"] == 4 * (4 + 15)


def test_a_scheduler_around_the_optimizer():
    def with_scheduler(one: Any, other: Any) -> Any:
        return {"optimizer": one, "lr_scheduler": torch.optim.lr_scheduler.StepLR(one, 1)}

    built = type("Built", (WithOptimizers,), {"found": staticmethod(with_scheduler)})
    assert trained(model=built, step="training_step").peak.kinds["optimizer"] == 4 * 28


def test_no_optimizer_is_one_too():
    built = type("Built", (WithOptimizers,), {"found": staticmethod(lambda one, other: None)})
    assert trained(model=built, step="training_step").peak.kinds["optimizer"] == 0


def test_a_whole_step():
    model, x = Adversaries(), torch.randn(3, 5)
    optimizers, _ = model.configure_optimizers()

    def step() -> None:
        for optimizer in optimizers:
            if optimizer is optimizers[0]:
                model.judge.requires_grad_(False)
                optimizer.zero_grad()
                (-model.judge(model.maker(x)).mean()).backward()
                optimizer.step()
                model.judge.requires_grad_(True)
            else:
                optimizer.zero_grad()
                model.judge(model.maker(x).detach()).mean().backward()
                nn.utils.clip_grad_norm_(model.judge.parameters(), 0.5)
                optimizer.step()

    memory, flops = really_run(model, step, x)
    cost = measure(Adversaries, inputs=(x,), mode="train", step="training_step", convention="torch")
    assert cost.executed == "meta"
    assert (cost.memory, cost.flops) == (memory, flops)
    # by hand: the maker's step goes back through the judge to the maker's weight, the judge's to its own weight
    assert cost.backward_flops == 2 * 3 * (7 + 5 * 7 + 7)
    assert cost.by_module()["maker"].calls == 2


def test_a_step_leaves_no_trace():
    model = Adversaries()
    before = dict(vars(model))
    measure(model, inputs=("batch", 5), batch=3, mode="train", step="training_step")
    assert vars(model) == before
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert torch.autograd.backward.__module__ == "torch.autograd"


def test_compiled_steps_are_counted_as_written():
    step = torch.compile(lambda model, batch: cross_entropy(model(batch[0]), batch[1]))
    assert trained(step=step).backward_flops == 96


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"step": "trainig_step"}, "step='trainig_step': Coder has no method of that name. Did you mean 'training_st"),
        ({"step": "training"}, "step='training': Coder has a value of that name, which cannot be called."),
        ({"step": 3}, "step=3 is not a method. Allowed: the name of a method of the model, such as 'training_step', o"),
        ({"step": "encode", "inputs": BATCH[:1]}, "step= returned a tensor of shape (2, 4) and float32, not a loss."),
        ({"step": lambda batch: None}, "step= returned a value of type NoneType, not a loss. Allowed: a scalar tensor"),
        ({"step": lambda a, b, c, d: None}, "step= <lambda>() must be given a, b, c, d, and there is the model and"),
        ({"step": "training_step", "loss": torch.sum}, "step= returns the loss itself"),
        ({"step": "training_step", "method": "encode"}, "Both step='training_step' and method='encode' are given"),
        ({"step": "training_step", "mode": "infer"}, "step='training_step' is for mode='train'"),
        ({"accumulate": 2, "mode": "infer"}, "accumulate=2 is for mode='train'"),
        ({"accumulate": 0}, "accumulate=0 is not a whole number above zero."),
        ({"accumulate": True}, "accumulate=True is not a whole number above zero."),
        ({"method": "2d"}, "method='2d' is not a method. Allowed: the name of a method of the model"),
        ({"method": "decode"}, "method='decode': Coder has no method of that name. Did you mean 'encode'?"),
        ({"method": "encode", "counter": "fvcore"}, "counter='fvcore' counts forward only, and here is encode()."),
        ({"optimizer": lambda params: []}, "optimizer=<lambda> returned a value of type list, not an optimizer."),
        ({"model": Adversaries, "inputs": (tensor(3, 5),), "step": "training_step", "accumulate": 2},
         "accumulate=2 is for a step that returns its loss"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant(arguments, says):
    with pytest.raises(UsageError) as caught:
        trained(**arguments)
    assert says in str(caught.value)


def test_what_the_models_own_optimizers_need_is_told():
    built = type("Built", (WithOptimizers,), {"found": staticmethod(lambda one, other: one.trainer)})
    with pytest.raises(UsageError, match=r"configure_optimizers\(\) raised AttributeError.*say which one: optimizer="):
        trained(model=built, step="training_step")


def test_an_error_of_a_method_names_it():
    with pytest.raises(ModelError, match=r"encode was given: float32 \(2, 6\), int64 \(2,\)"):
        measure(Coder, inputs=BATCH, batch=2, method="encode")
    with pytest.raises(ModelError, match="depends on no parameter that requires grad"):
        trained(step=lambda model, batch: torch.zeros(()))
