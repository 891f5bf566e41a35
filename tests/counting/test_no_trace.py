"""Measuring leaves no trace: awkward models in every situation, compared with what they were byte for byte."""

from __future__ import annotations

import random
from contextlib import contextmanager, nullcontext

import numpy
import pytest
import sympy  # noqa: F401  # PyTorch imports it when an optimizer steps first, and its import filters a warning
import torch
from counting import awkward, fingerprint
from one_attempt import attempt
from releases import RELEASE
from torch import nn

from pytest_modelbudget import ModelError, measure


class Outer(nn.Module):
    """A model, and what happens once it ran."""

    def __init__(self, inner, then=None):
        super().__init__()
        self.inner = inner
        self.then = then

    def forward(self, x):
        out = self.inner(x)
        if self.then is not None:
            self.then(out)
        return out


def read(out):
    out.sum().item()


def fail(out):
    raise ValueError("at the very end")


ROWS = (3, 4)
SITUATIONS = {
    "counted": (None, lambda model: measure(model, inputs=ROWS)),
    "in the other convention": (None, lambda model: measure(model, inputs=ROWS, convention="torch")),
    "in bf16": (None, lambda model: measure(model, inputs=ROWS, dtype="bf16")),
    "on meta with autograd": (None, lambda model: attempt(model, real=False, grad=True, inputs=ROWS)),
    "for real": (None, lambda model: attempt(model, real=True, grad=False, inputs=ROWS)),
    "for real with autograd": (None, lambda model: attempt(model, real=True, grad=True, inputs=ROWS)),
    "in training": (None, lambda model: measure(model, inputs=ROWS, mode="train")),
    "in training for real": (None, lambda model: attempt(model, real=True, grad=True, inputs=ROWS, mode="train")),
    "in training under autocast": (None, lambda model: measure(model, inputs=ROWS, mode="train", amp="bf16")),
    "for a card": (None, lambda model: measure(model, inputs=ROWS, device="T4")),
    "measured": (None, lambda model: measure(model, inputs=ROWS, measured=True)),
    "fails in training": (fail, lambda model: measure(model, inputs=ROWS, mode="train")),
    "falls back": (read, lambda model: measure(model, inputs=ROWS)),
    "falls back in bf16": (read, lambda model: measure(model, inputs=ROWS, dtype="bf16")),
    "raises": (fail, lambda model: measure(model, inputs=ROWS)),
    "raises for real": (fail, lambda model: attempt(model, real=True, grad=False, inputs=ROWS)),
    "by fvcore": (None, lambda model: measure(model, inputs=ROWS, counter="fvcore")),
    "raises by fvcore": (fail, lambda model: measure(model, inputs=ROWS, counter="fvcore")),
}

# Some models cannot be traced: fvcore looks for a module that was not there at first (Rewrites), wants hooks on
# scripted modules, which have none, and torch.jit wants to know of every parameter (Hidden).
FVCORE_CANNOT = (
    awkward.Rewrites, awkward.compiled_whole, awkward.Hidden, awkward.script, awkward.scripted, awkward.traced
)  # fmt: skip


def start(build):
    """A model built from the same random numbers each time."""
    seed()
    return build()


def seed():
    torch.manual_seed(0)
    random.seed(0)
    numpy.random.seed(0)


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("build", awkward.MODELS, ids=lambda build: build.__name__)
def test_nothing_changed(build, situation):
    then, run = SITUATIONS[situation]
    model = Outer(start(build), then)
    before, around = fingerprint.of_model(model), fingerprint.of_process()
    if "fvcore" in situation and build in FVCORE_CANNOT:
        with pytest.raises(ModelError, match="Tracing the model for fvcore raised"):
            run(model)
    elif "training" in situation and then is None and build is awkward.Globals:
        with pytest.raises(ModelError, match="cannot be trained"):  # it turns gradients off
            run(model)
    elif then is fail:
        with pytest.raises(ModelError, match="at the very end"):
            run(model)
    else:
        assert run(model).flops > 0
    assert fingerprint.differences(around, fingerprint.of_process()) == []
    assert fingerprint.differences(before, fingerprint.of_model(model)) == []


def equal_parts(cost):
    """What does not tell a factory from its model."""
    return (cost.flops, cost.macs, cost.activations, cost.params, cost.weights, cost.memory)


@pytest.mark.parametrize("mode", ["infer", "train"])
@pytest.mark.parametrize("build", awkward.MODELS, ids=lambda build: build.__name__)
def test_a_factory_costs_what_its_model_does(build, mode):
    if mode == "train" and build is awkward.Globals:
        pytest.skip("it turns gradients off")
    made = measure(lambda: start(build), inputs=ROWS, mode=mode)
    assert equal_parts(made) == equal_parts(measure(start(build), inputs=ROWS, mode=mode))


@pytest.mark.parametrize("build", [awkward.compiled_whole, awkward.script, awkward.parallel], ids=lambda b: b.__name__)
def test_a_whole_model_that_is_wrapped(build):
    model = start(build)
    before = fingerprint.of_model(model)
    for real in (False, True):
        assert attempt(model, real=real, grad=False, inputs=ROWS).flops > 0
    assert fingerprint.differences(before, fingerprint.of_model(model)) == []


WORKING = [build for build in awkward.MODELS if build not in (awkward.on_meta, awkward.Globals)]
if RELEASE < (2, 8):
    WORKING.remove(awkward.compiled_whole)  # the compiler of PyTorch 2.6 fails on a model that makes modules in forward


@pytest.mark.parametrize("build", WORKING, ids=lambda build: build.__name__)
def test_works_as_before(build):
    """It computes what its twin computes that was never measured."""
    twin, model = start(build), start(build)
    dtype = next(model.parameters()).dtype
    results = []
    for one in (twin, model):
        if one is model:
            measure(model, inputs=ROWS)
        seed()
        rows = torch.randn(5, 4, dtype=dtype)
        with torch.inference_mode(build is awkward.for_inference):
            results.append((one(rows), one(rows), one.state_dict()))
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=0, equal_nan=True)


def test_hooks_go_on_working():
    """The user's hooks, on the module and on every module, run for the user's own forward, until they are removed."""
    model, seen = nn.Linear(4, 4), []
    on_module = model.register_forward_hook(lambda *args: seen.append("module"))
    on_every = nn.modules.module.register_module_forward_hook(lambda *args: seen.append("every"))
    try:
        measure(model, inputs=ROWS)
        seen.clear()
        model(torch.zeros(ROWS))
        assert seen == ["every", "module"]
        on_module.remove()
        model(torch.zeros(ROWS))
        assert seen == ["every", "module", "every"]
    finally:
        on_every.remove()


def test_training_goes_on():
    """Between forward and backward: the graph, the gradients and the optimizer's state are those without measuring."""
    weights = []
    for measuring in (False, True):
        model = start(awkward.trained)
        optimizer = torch.optim.AdamW(model.parameters())
        for _ in range(3):
            loss = model(torch.randn(8, 4)).square().sum()
            if measuring:
                measure(model, inputs=ROWS)
                attempt(model, real=True, grad=True, inputs=ROWS)
            loss.backward()
            optimizer.step()
        weights.append(model.state_dict())
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)


@contextmanager
def default(*, dtype=torch.float32, device=None):
    torch.set_default_dtype(dtype)
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


SURROUNDINGS = {
    "none": nullcontext,
    "no_grad": torch.no_grad,
    "inference mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "meta device": lambda: torch.device("meta"),
    "default device": lambda: default(device="meta"),
    "default dtype": lambda: default(dtype=torch.float64),
}


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
@pytest.mark.parametrize("then", [None, read], ids=["on meta", "for real"])
@pytest.mark.parametrize("factory", [False, True], ids=["model", "factory"])
def test_in_any_surroundings(surroundings, then, factory):
    """The count is the same and the process is left alone, whatever ``with`` the call stands in."""

    def build():
        return Outer(awkward.Fused(), then)

    target = build if factory else build()
    with SURROUNDINGS[surroundings]():
        around = fingerprint.of_process()
        counts = {measure(target, inputs=ROWS).flops, measure(target, inputs=ROWS, dtype="bf16").flops}
        assert fingerprint.differences(around, fingerprint.of_process()) == []
    # For 3 rows. LSTM: both directions with 4 gates of 4, from 4 inputs and 4 states. GRU: 3 gates of 4, from 8 and 4.
    # Transformer layer: projections 4 to 12 and 4 to 4, scores and values of 3 x 3 for each of 4 channels,
    # 4 to 8 and back, and two norms of 5 FLOPs for each of 3 x 4 elements.
    lstm, gru = 3 * 2 * 16 * (4 + 4), 3 * 12 * (8 + 4)
    assert counts == {lstm + gru + 3 * (4 * 12 + 4 * 4) + 2 * 3 * 3 * 4 + 3 * (4 * 8 + 8 * 4) + 2 * 5 * 3 * 4}


def test_count_does_not_depend_on_random_numbers():
    """A model that throws dice takes the same way each time it is measured."""

    class Dice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(16))

        def forward(self, x):
            for layer in self.layers:
                x = layer(x) if random.random() < 0.5 and numpy.random.rand() < 0.8 else x
            return x

    counts = set()
    for i in range(5):
        random.seed(i)
        numpy.random.seed(i)
        counts.add(measure(Dice, inputs=ROWS).flops)
        counts.add(measure(Dice(), inputs=ROWS).flops)
    assert len(counts) == 1


def test_whatever_forward_leaves_is_found():
    """The fingerprint itself: each change that ``Rewrites`` makes to itself shows when nobody puts it back."""
    model = start(awkward.Rewrites)
    before = fingerprint.of_model(model)
    model(torch.ones(ROWS))
    found = "\n".join(fingerprint.differences(before, fingerprint.of_model(model)))
    for part in (
        "_buffers['count'] content", "_buffers['mean']", ".calls", ".history[0]", ".nested['keys'][0]",
        ".nested['seen'] content", ".recent[0]", ".memory content", ".cache.entries[0].keys content",
        ".cache.entries[0].seen[0]", ".cache.entries[2]", ".cache.length", ".cache.keys[0]", ".cache.last", ".new",
        ".gone", "['norm'].momentum", "['norm'].training", "['late']", "_forward_hooks[",
        "['layer']._parameters['weight'] content", "['layer']._parameters['bias']",
    ):  # fmt: skip
        assert part in found
