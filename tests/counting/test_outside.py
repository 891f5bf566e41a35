"""Work outside PyTorch: reported where values leave and something comes back, not where they are only looked at."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from pytest_modelbudget import measure

# Two rows through a layer of 8 x 8: what is counted, whatever happens to its result outside.
X, MACS = (2, 8), 2 * 8 * 8
MATRIX = np.ones((8, 8), dtype=np.float32)


class Net(nn.Module):
    """A linear layer, and what is done with its result."""

    def __init__(self, then: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.part = nn.Sequential(nn.Linear(8, 8))
        self.then = then

    def forward(self, x: torch.Tensor) -> Any:
        return self.then(self.part(x))


class InNumPy(torch.autograd.Function):
    """A function whose passes are written in NumPy."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(x.detach().numpy() @ MATRIX)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(grad.numpy() @ MATRIX.T)


def blurred(image: Any) -> Any:
    """As SciPy's filters do, it makes an array of whatever it gets."""
    return np.apply_along_axis(np.convolve, 1, np.asarray(image), np.ones(3) / 3, mode="same")


def in_place(x: torch.Tensor) -> torch.Tensor:
    out = torch.empty(2, 8)
    out[:] = torch.tensor(np.linalg.inv(MATRIX + np.eye(8)) @ x.numpy().T).T
    return out


def thumbnail(x: torch.Tensor) -> torch.Tensor:
    image = Image.fromarray(x.mul(255).byte().numpy()).resize((4, 4))
    return torch.from_numpy(np.array(image)) / 255


def suppressed(x: torch.Tensor) -> torch.Tensor:
    """Boxes are compared in NumPy, and the ones to keep come back as indices."""
    return x[np.argsort(x.numpy().sum(1))]


def through_lists(x: torch.Tensor) -> torch.Tensor:
    return torch.tensor([[math.erf(value) for value in row] for row in x.tolist()])


def in_a_thread(x: torch.Tensor) -> torch.Tensor:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: torch.from_numpy(x.numpy() @ MATRIX)).result()


LEAVES: dict[str, tuple[Callable[[torch.Tensor], Any], str]] = {
    "numpy": (lambda x: torch.from_numpy(x.numpy() @ MATRIX), "numpy()"),
    "detach, cpu, numpy": (lambda x: torch.from_numpy(x.detach().cpu().numpy() @ MATRIX), "numpy()"),
    "asarray": (lambda x: torch.as_tensor(np.asarray(x) @ MATRIX), "__array__()"),
    "a function of NumPy": (lambda x: np.matmul(x, MATRIX), "__array__()"),
    "dlpack": (lambda x: torch.from_dlpack(np.from_dlpack(x) @ MATRIX), "__dlpack__()"),
    "autograd.Function": (InNumPy.apply, "numpy()"),
    "into a tensor": (in_place, "numpy()"),
    "added": (lambda x: x + torch.from_numpy(x.numpy() @ MATRIX), "numpy()"),
    "in a list": (lambda x: torch.tensor(np.array([row @ MATRIX for row in x.numpy()])), "numpy()"),
    "numbers of NumPy": (lambda x: torch.tensor(list(x.numpy().sum(1))), "numpy()"),
    "a library of arrays": (lambda x: torch.from_numpy(blurred(x)), "__array__()"),
    "Pillow": (thumbnail, "numpy()"),
    "indices come back": (suppressed, "numpy()"),
    "lists": (through_lists, "tolist()"),
    "an older constructor": (lambda x: torch.FloatTensor(x.numpy() @ MATRIX), "numpy()"),
    "an array is returned": (lambda x: {"scores": [x.numpy() @ MATRIX]}, "numpy()"),
    "in half": (lambda x: torch.from_numpy(x.half().numpy() * 2), "numpy()"),
    "in a thread": (in_a_thread, "numpy()"),
}


@pytest.mark.parametrize("name", LEAVES)
@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")
def test_values_that_leave_and_come_back_are_reported(name: str) -> None:
    then, how = LEAVES[name]
    cost = measure(lambda: Net(then), inputs=X)
    assert (cost.macs, cost.executed) == (MACS, "real")
    ((reported, where),) = cost.uncounted_in.items()
    assert reported.startswith(f"values that left PyTorch by Tensor.{how} at ")
    file, _, line = reported.rpartition(" ")[2].rpartition(":")
    assert file.endswith("test_outside.py")
    assert int(line) > 0
    assert where == ("",)


def test_the_line_is_the_one_that_hands_values_out() -> None:
    cost = measure(lambda: nn.Sequential(nn.Linear(8, 8), Net(suppressed)), inputs=X)
    ((reported, where),) = cost.uncounted_in.items()
    line = suppressed.__code__.co_firstlineno + 2
    assert reported.endswith(f"test_outside.py:{line}")
    assert where == ("1",)


class Trains(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> Any:
        return InNumPy.apply(self.layer(x))


def test_a_training_step_is_reported_forward_and_backward() -> None:
    cost = measure(Trains, inputs=X, mode="train", optimizer="none")
    assert (cost.macs, cost.executed) == (2 * MACS, "real")
    lines = sorted(int(name.rpartition(":")[2]) for name in cost.uncounted)
    first = InNumPy.forward.__code__.co_firstlineno
    assert [line - first for line in lines] == [2, 6]


def printed(x: torch.Tensor) -> torch.Tensor:
    print(x.numpy(), x.tolist(), np.asarray(x).mean(), f"{x[0, 0]:.3f}")  # noqa: T201
    return x


def logged(x: torch.Tensor) -> torch.Tensor:
    norm = np.linalg.norm(x.numpy())
    if norm > 1e9 or np.isnan(norm):
        raise ValueError("too large")
    return x * 2


def with_a_constant(x: torch.Tensor) -> torch.Tensor:
    np.testing.assert_array_less(x.numpy(), 1e9)
    return (x - torch.tensor([0.5] * 8)) / torch.tensor(0.2)


LOOKS: dict[str, Callable[[torch.Tensor], Any]] = {
    "printed": printed,
    "checked": logged,
    "checked, beside constants": with_a_constant,
    "one number": lambda x: x * torch.tensor(x.abs().max().numpy()),
    "item": lambda x: x * torch.tensor([x.sum().item(), float(x.mean())]).sum(),
    "whole numbers": lambda x: x[torch.tensor(x.argmax(1).tolist()) % 2],
    "whole numbers by NumPy": lambda x: x[torch.from_numpy(x.argmax(1).numpy() % 2)],
    "a mask": lambda x: x * torch.from_numpy(~(x > 1e9).numpy()) * float(x.sum() < 1e9),
    "sizes": lambda x: torch.zeros(torch.tensor(x.shape).tolist()) + x.sum().item(),
    "lists are returned": lambda x: {"scores": x.tolist()},
    "a table of NumPy": lambda x: x * torch.from_numpy(MATRIX[:2]) * (1 if x.sum() < 1e9 else 2),
}


@pytest.mark.parametrize("name", LOOKS)
def test_values_that_are_only_looked_at_do_not_fail(name: str) -> None:
    cost = measure(lambda: Net(LOOKS[name]), inputs=X)
    assert (cost.macs, cost.executed, cost.uncounted) == (MACS, "real", {})


def test_what_did_not_come_back_is_noted() -> None:
    cost = measure(lambda: Net(logged), inputs=X)
    line = logged.__code__.co_firstlineno + 1
    (note,) = [note for note in cost.notes if "left PyTorch" in note]
    assert note.startswith("Values that left PyTorch by Tensor.numpy() at ")
    assert note.endswith(f"test_outside.py:{line} did not come back: what was done with them is not counted.")
