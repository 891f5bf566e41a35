"""Whose error it is when a run raises, and what makes a model run for real."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pytest_modelbudget import ModelError, UsageError, measure
from pytest_modelbudget.counting import attempts, machine_memory


class Raises(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.error = error

    def forward(self, x):
        self.layer(x)
        raise self.error


class Outer(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.inner = Raises(error)

    def forward(self, x):
        return self.inner(x)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("not today"), "ValueError in module 'inner' (Raises): not today"),
        (NotImplementedError(), "NotImplementedError in module 'inner' (Raises): "),  # as of an abstract method
        (NotImplementedError("sparse"), "NotImplementedError in module 'inner' (Raises): sparse"),
        (RuntimeError("no metadata"), "RuntimeError in module 'inner' (Raises): no metadata"),
        (KeyError("img_metas"), "KeyError in module 'inner' (Raises): 'img_metas'"),
    ],
    ids=str,
)
def test_the_models_own_error_is_told_with_its_module_and_line(error, said):
    with pytest.raises(ModelError) as raised:
        measure(Outer(error), inputs=(2, 4))
    message = str(raised.value)
    assert said in message
    assert "test_blame.py:" in message
    assert "forward was given: float32 (2, 4)" in message
    assert raised.value.__cause__ is error


class Catches(nn.Module):
    """Asks for a value, and goes on without it."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        try:
            times = 1 if x.sum() < 1e9 else 2
        except RuntimeError:
            times = 3
        for _ in range(times):
            x = self.layer(x)
        return x


def test_a_model_that_catches_what_it_asked_for_is_run_for_real():
    cost = measure(Catches, inputs=(2, 4))
    assert (cost.executed, cost.macs) == ("real", 2 * 4 * 4)


class Net(nn.Module):
    """``Linear(4, 4)``, which costs 32 multiply-adds on 2 rows, and ``function`` as its forward."""

    def __init__(self, function):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.function = function

    def forward(self, x, **options):
        return self.function(self, x, **options)


def real_runs(monkeypatch):
    """The attempts that are made from here on, as whether each is real."""
    made = []
    count = attempts.counted_run

    def counted(target, request, attempt, notes):
        made.append(attempt.real)
        return count(target, request, attempt, notes)

    monkeypatch.setattr(attempts, "counted_run", counted)
    return made


# -- whose error it is -------------------------------------------------------------------------------------------------


def raises(net, x):
    raise RuntimeError("tensors on meta are not my thing")


def asserts(net, x):
    assert x.shape[1] == 3, "three channels"


def checks(net, x):
    torch._assert(x.shape[1] == 3, "three channels")


def looks_up(net, x):
    return {"img": x}["img_metas"]


def misses_an_attribute(net, x):
    return net.meta_layer(x)


def wrong_width(net, x):
    return net.layer(x[:, :3])


def wrong_channels(net, x):
    return F.conv2d(x[None, None], torch.empty(1, 2, 1, 1))


@pytest.mark.parametrize(
    "function", [raises, asserts, checks, looks_up, misses_an_attribute, wrong_width, wrong_channels]
)
def test_the_models_own_error_is_known_without_a_real_run(function, monkeypatch):
    made = real_runs(monkeypatch)
    with pytest.raises(ModelError, match="This is the model's own error, at infer; forward was given: float32"):
        measure(Net(function), inputs=(2, 4))
    assert made == [False]


def test_arguments_that_forward_does_not_take_are_the_models_own_error(monkeypatch):
    made = real_runs(monkeypatch)
    with pytest.raises(ModelError, match="missing 1 required positional argument"):
        measure(lambda: nn.Bilinear(4, 4, 4), inputs=(2, 4))
    assert made == [False]


def by_device(net, x):
    if x.device.type not in ("cpu", "cuda"):
        raise ValueError("unknown device")
    return net.layer(x)


def by_table(net, x):
    return {"cpu": net.layer, "cuda": net.layer}[x.device.type](x)


def by_flag(net, x):
    assert x.is_cpu or x.is_cuda
    return net.layer(x)


def not_implemented(net, x):
    if not any(supports(x) for supports in (lambda t: t.is_cpu,)):
        raise NotImplementedError("no operator for this tensor")
    return net.layer(x)


def wrapped(net, x):
    try:
        return net.layer(x * float(x.numpy().max() * 0 + 1))
    except TypeError as error:
        raise ValueError("no array") from error


def formatted(net, x):
    said = f"{x.mean():.3f}"
    return net.layer(x), said


def listed(net, x):
    return [net.layer(x) for _ in x.tolist()]


HAND_OUT = (wrapped, listed)  # the values that they take are noted beside the reason of the real run


@pytest.mark.parametrize(
    ("function", "calls", "said"),
    [
        (by_device, 1, "On the meta device the model raised ValueError: unknown device"),
        (by_table, 1, "On the meta device the model raised KeyError: 'meta'"),
        (by_flag, 1, "On the meta device the model raised AssertionError"),
        (not_implemented, 1, "On the meta device the model raised NotImplementedError: no operator for this tensor"),
        (wrapped, 1, "On the meta device the model raised ValueError: no array"),
        (formatted, 1, "On the meta device the model raised TypeError: "),
        (listed, 2, "On the meta device the model raised RuntimeError: "),
    ],
)
def test_an_error_of_the_meta_device_is_not_the_models(function, calls, said):
    cost = measure(Net(function), inputs=(2, 4))
    assert (cost.executed, cost.macs) == ("real", calls * 32)
    note, *others = cost.notes
    assert note.startswith(said)
    assert "test_blame.py:" in note
    assert ["Values that left PyTorch by Tensor." in other for other in others] == [True] * (function in HAND_OUT)
    assert note.endswith(": run for real on seeded inputs.")


def test_an_error_of_a_real_run_says_what_the_run_was_made_for():
    def fails(net, x):
        if x.sum() < 1e9:
            raise ValueError("too small")

    with pytest.raises(ModelError) as raised:
        measure(Net(fails), inputs=(2, 4))
    said = str(raised.value)
    assert said.startswith("The model raised ValueError: too small")
    assert "This is the model's own error, at infer; forward was given: float32 (2, 4)." in said
    assert "made for this: The model reads values that the meta device does not have (aten::is_nonzero in Net, " in said


def test_an_error_that_a_real_run_raises_too_is_told_once():
    def fails(net, x):
        raise ValueError(f"not on {x.device.type}"[:6])

    with pytest.raises(ModelError) as raised:
        measure(Net(fails), inputs=(2, 4))
    assert str(raised.value).endswith("It is the same on the meta device and in a real run.")
    assert str(raised.value).count("ValueError: not on") == 1


# -- what asked for values ---------------------------------------------------------------------------------------------


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        rows = x[x.abs().sum(1) >= 0]
        return self.layer(rows)


def test_a_note_names_the_operator_the_module_and_the_line_that_asked():
    line = Head.forward.__code__.co_firstlineno + 1
    (note,) = measure(lambda: nn.Sequential(nn.Linear(4, 4), Head()), inputs=(2, 4)).notes
    assert note.startswith(
        "The model reads values that the meta device does not have (aten::index in module '1' (Head), "
    )
    assert f"test_blame.py:{line}): run for real on seeded inputs." in note


def test_a_module_of_pytorch_has_no_line_of_the_users():
    class Unfilled(nn.Module):
        forward = staticmethod(torch.nonzero)

    (note,) = measure(Unfilled, inputs=(2, 4)).notes
    assert "(aten::nonzero in Unfilled): run for real" in note


def test_the_first_that_asked_is_named():
    def asks(net, x):
        return net.layer(x[: int(x.sum() * 0) + 2]), x.nonzero()

    (note,) = measure(Net(asks), inputs=(2, 4)).notes
    assert "(aten::item in Net, " in note


# -- whose limit it is -------------------------------------------------------------------------------------------------


def test_an_optimizer_that_needs_a_closure_is_refused():
    with pytest.raises(UsageError, match=r"optimizer=LBFGS: a step of LBFGS .* it cannot count this optimizer"):
        measure(lambda: nn.Linear(4, 4), inputs=(2, 4), mode="train", optimizer=torch.optim.LBFGS)


@pytest.mark.parametrize(("name", "kind"), [("adam", "Adam"), ("momentum", None), ("sgd", None)])
def test_sparse_gradients_are_the_optimizers_limit(name, kind):
    """SGD takes them. An embedding is a look-up, so that a step has no multiply-adds."""

    def embedding():
        return nn.Embedding(10, 8, sparse=True)

    options = {"inputs": torch.zeros(2, 3, dtype=torch.int64), "mode": "train", "optimizer": name}
    if kind is None:
        assert measure(embedding, **options).macs == 0
        return
    with pytest.raises(ModelError) as raised:
        measure(embedding, **options)
    assert f"The optimizer {kind} raised RuntimeError: {kind} does not support sparse gradients" in str(raised.value)
    assert "This is the optimizer's own error" in str(raised.value)


# -- memory of a real run ----------------------------------------------------------------------------------------------


def test_a_real_run_that_does_not_fit_is_refused_before_it_is_made(monkeypatch):
    """Weights are 16384 * 16384 * 4 bytes = 1 GiB, and their gradients as much; 128 KiB are inputs and outputs."""
    monkeypatch.setattr(machine_memory, "machine_memory", lambda: 2**30)
    made = real_runs(monkeypatch)

    class Large(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(16384, 16384, bias=False)

        def forward(self, x):
            return self.layer(x) * x.sum().item()

    for options, least in (({}, "1.0001 GiB"), ({"mode": "train", "optimizer": "none"}, "2 GiB")):
        with pytest.raises(ModelError, match=f"takes at least {least} of memory, and this machine has 1 GiB"):
            measure(Large, inputs=(1, 16384), **options)
    assert True not in made


def test_a_run_to_measure_that_does_not_fit_is_refused(monkeypatch):
    """16 weights, 8 inputs and 8 outputs of 4 bytes."""
    monkeypatch.setattr(machine_memory, "machine_memory", lambda: 100)
    with pytest.raises(ModelError, match="takes at least 128 B of memory, and this machine has 100 B"):
        measure(lambda: nn.Linear(4, 4, bias=False), inputs=(2, 4), measured=True)


def test_the_memory_of_this_machine_is_known():
    memory = machine_memory.machine_memory()
    assert memory is None or memory > 2**26


@pytest.mark.parametrize(("limit", "known"), [("1048576\n", 1048576), ("max\n", None)])
def test_a_container_limits_the_memory(tmp_path, monkeypatch, limit, known):
    (tmp_path / "memory.max").write_text(limit)
    monkeypatch.setattr(machine_memory, "_LIMIT_OF_CONTAINER", tmp_path / "missing")
    physical = machine_memory.machine_memory()
    monkeypatch.setattr(machine_memory, "_LIMIT_OF_CONTAINER", tmp_path / "memory.max")
    assert machine_memory.machine_memory() == (known or physical)
