"""The mode that a model is counted in: of scripted modules, and of those with a `train()` or `eval()` of their own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from counting import fingerprint
from torch import nn

from pytest_modelbudget import ModelError, measure

# On 3 rows: a linear layer of 4 x 4, and batch norm, which fvcore counts as 2 FLOPs an element in eval (a scale and a
# shift) and as 5 in training.
ROWS = (3, 4)
PRODUCT, IN_EVAL, IN_TRAINING = 3 * 4 * 4, 2 * 3 * 4, 5 * 3 * 4


def normed(*more: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), *more)


def forward_flops(model: Any, mode: str) -> int:
    cost = measure(model, inputs=ROWS, mode=mode)
    return cost.flops - cost.backward_flops


# -- scripted modules --------------------------------------------------------------------------------------------------

SCRIPTED = {
    "the whole": (lambda model: torch.jit.script(model), PRODUCT),
    "a part": (lambda model: nn.Sequential(nn.Linear(4, 4), torch.jit.script(model)), 2 * PRODUCT),
    "a part of a part": (lambda model: nn.ModuleList([nn.Sequential(torch.jit.script(model))])[0], PRODUCT),
    "a script in a script": (lambda model: torch.jit.script(nn.Sequential(torch.jit.script(model))), PRODUCT),
}


@pytest.mark.parametrize("where", SCRIPTED)
@pytest.mark.parametrize("scripted_in", ["train", "eval"])
@pytest.mark.parametrize("factory", [False, True], ids=["model", "factory"])
def test_a_script_is_counted_in_the_mode_asked_for(where: str, scripted_in: str, factory: bool) -> None:
    wrap, products = SCRIPTED[where]

    def build() -> nn.Module:
        return wrap(normed().train(scripted_in == "train"))  # type: ignore[no-any-return, no-untyped-call]

    target: Any = build if factory else build()
    assert forward_flops(target, "infer") == products + IN_EVAL
    assert forward_flops(target, "train") == products + IN_TRAINING


def test_a_script_keeps_its_own_mode() -> None:
    for training in (True, False):
        model = nn.Sequential(torch.jit.script(normed().train(training)))
        for mode in ("infer", "train"):
            measure(model, inputs=ROWS, mode=mode)
            assert model[0].training is training
            assert model[0][1].training is training


def test_dropout_of_a_script_keeps_no_mask_in_eval() -> None:
    """Weights of 4 x 100 and 100, the input of 4, and the output of 100: 4 bytes each, and nothing for dropout."""
    model = torch.jit.script(nn.Sequential(nn.Linear(4, 100), nn.Dropout(0.9)))
    assert measure(model, inputs=(1, 4)).memory == 4 * (400 + 100 + 4 + 100)


# -- modules with a train() or an eval() of their own ------------------------------------------------------------------


class Trains(nn.Module):
    """Its ``train()`` starts a training, as that of some model collections does."""

    calls: list[str]

    def __init__(self) -> None:
        super().__init__()
        self.net = normed()
        self.calls = []

    def forward(self, x: torch.Tensor) -> Any:
        return self.net(x)

    def train(self, trainer: Any = None, **options: Any) -> Any:
        self.calls.append("train")
        raise AssertionError("a training began")


class Evaluates(Trains):
    """Its ``eval()`` runs over a data set."""

    train = nn.Module.train

    def eval(self, data: str = "set.yaml") -> Any:
        self.calls.append("eval")
        raise AssertionError("an evaluation began")


class Above(nn.Module):
    """Passes its mode on as it should, to a part that begins to train then."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: torch.Tensor) -> Any:
        return self.part(x)

    def train(self, mode: bool = True) -> Any:
        return super().train(mode)


def on_the_instance() -> nn.Module:
    """A method with parameters of its own that was set on one module."""
    model = normed()
    model.train = lambda data, epochs: pytest.fail("a training began")  # type: ignore[method-assign]
    return model


UNSAFE = {
    "train": Trains,
    "eval": Evaluates,
    "a part's train": lambda: nn.Sequential(Trains()),
    "below one that is safe": lambda: Above(Trains()),
    "on the instance": on_the_instance,
}


@pytest.mark.parametrize("name", UNSAFE)
def test_what_does_more_than_set_the_mode_is_not_called(name: str) -> None:
    model = UNSAFE[name]()
    before = fingerprint.of_model(model)
    assert forward_flops(model, "infer") == PRODUCT + IN_EVAL
    assert forward_flops(model, "train") == PRODUCT + IN_TRAINING
    assert fingerprint.differences(before, fingerprint.of_model(model)) == []


class Normed(nn.Module):
    """A layer with batch norm below."""

    def __init__(self) -> None:
        super().__init__()
        self.net = normed()

    def forward(self, x: torch.Tensor) -> Any:
        return self.net(x)


class FrozenNorm(Normed):
    """Keeps its batch norm in eval mode, as detectors do in training."""

    def train(self, mode: bool = True) -> Any:
        super().train(mode)
        self.net[1].eval()
        return self


def disabled_train(self: Any, mode: bool = True) -> Any:
    """What diffusion models set on the parts that they do not train."""
    return self


def kept_in_eval() -> nn.Module:
    model = normed().eval()
    model.train = disabled_train  # type: ignore[assignment, method-assign]
    return nn.Sequential(model)


@pytest.mark.parametrize("build", [FrozenNorm, kept_in_eval])
def test_what_keeps_a_part_in_eval_mode_does_so_here(build: Any) -> None:
    assert forward_flops(build(), "train") == PRODUCT + IN_EVAL
    assert forward_flops(build(), "infer") == PRODUCT + IN_EVAL


class Merges(nn.Module):
    """A layer with two factors beside it, which ``eval()`` multiplies into its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.down, self.up = nn.Parameter(torch.ones(2, 4)), nn.Parameter(torch.ones(4, 2))
        self.merged = False

    def train(self, mode: bool = True) -> Any:
        super().train(mode)
        if mode is self.merged:
            self.layer.weight.data += (self.up @ self.down) * (-1 if mode else 1)
            self.merged = not mode
        return self

    def forward(self, x: torch.Tensor) -> Any:
        out = self.layer(x)
        return out if self.merged else out + x @ self.down.t() @ self.up.t()


def test_weights_that_are_merged_in_eval_are_merged_for_the_count_only() -> None:
    model = Merges()
    before = fingerprint.of_model(model)
    assert measure(model, inputs=ROWS).macs == 3 * 4 * 4
    assert forward_flops(model, "train") == 3 * 4 * 4 + 2 * 3 * 4 * 2
    assert fingerprint.differences(before, fingerprint.of_model(model)) == []


class HasNoModes(Normed):
    """Says that it has none, as exported programs do."""

    def train(self, mode: bool = True) -> Any:
        raise NotImplementedError("Calling train() is not supported.")


def test_one_without_modes_has_flags() -> None:
    assert forward_flops(HasNoModes(), "infer") == PRODUCT + IN_EVAL


class Reads(HasNoModes):
    """Looks at its weights when its mode changes."""

    def train(self, mode: bool = True) -> Any:
        self.is_zero = bool((self.net[0].weight == 0).all())
        return nn.Module.train(self, mode)


def test_one_that_reads_weights_is_run_for_real() -> None:
    cost = measure(Reads(), inputs=ROWS)
    assert (cost.flops, cost.executed) == (PRODUCT + IN_EVAL, "real")
    assert any("Reads.train()" in note or "Reads.eval()" in note for note in cost.notes)


class Fails(HasNoModes):
    def train(self, mode: bool = True) -> Any:
        raise ValueError("no such mode")


def test_an_error_of_its_own_is_named() -> None:
    with pytest.raises(ModelError, match=r"Fails\.train\(False\) raised ValueError: no such mode"):
        measure(Fails(), inputs=ROWS)


def test_a_default_device_that_is_not_here_is_left_alone() -> None:
    """Nothing that the model makes without a device can be there; it is counted where the CPU is."""
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")

    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x) + torch.arange(4)

    model = Positions()
    torch.set_default_device("cuda")
    try:
        for target in (model, Positions):
            for arguments in ({}, {"mode": "train"}, {"measured": True}):
                factor = 2 if "mode" in arguments else 1  # the weight's gradient
                assert measure(target, inputs=(5, 4), **arguments).flops == factor * 5 * 4 * 4
        with pytest.raises((AssertionError, RuntimeError)):
            torch.empty(1)
    finally:
        torch.set_default_device(None)
    assert torch.empty(1).device.type == "cpu"
