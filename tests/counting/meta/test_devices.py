"""Models that ask for CUDA by name, on a machine without it: the device of the count stands in for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from counting import fingerprint
from torch import nn

from pytest_modelbudget import ModelError, TargetError, measure

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")

ROWS, PRODUCT = (2, 8), 2 * 8 * 8


class Net(nn.Module):
    """A linear layer, and what is added to its input."""

    def __init__(self, added: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.net, self.added = nn.Linear(8, 8), added

    def forward(self, x: torch.Tensor) -> Any:
        return self.net(x + self.added(x))


def in_context(x: torch.Tensor) -> torch.Tensor:
    with torch.device("cuda"):
        return torch.zeros(8)


def on_the_current(x: torch.Tensor) -> torch.Tensor:
    with torch.cuda.device(torch.cuda.current_device()):
        torch.cuda.synchronize()
        return torch.ones(8, device=f"cuda:{torch.cuda.current_device()}")


ASKS: dict[str, Callable[[torch.Tensor], Any]] = {
    "cuda()": lambda x: torch.zeros(8).cuda(),
    "cuda(0)": lambda x: torch.zeros(8).cuda(0, non_blocking=True),
    "input.cuda()": lambda x: x.cuda(),
    "to by name": lambda x: torch.zeros(8).to("cuda"),
    "to by device and dtype": lambda x: torch.zeros(8).half().to(torch.device("cuda", 0), torch.float32),
    "to by number": lambda x: torch.zeros(8).to(0),
    "to by keyword": lambda x: torch.zeros(8).to(device="cuda:0"),
    "zeros": lambda x: torch.zeros(8, device="cuda"),
    "tensor": lambda x: torch.tensor([1.0] * 8, device="cuda"),
    "arange": lambda x: torch.arange(8, device="cuda"),
    "new_zeros": lambda x: x.new_zeros(8, device="cuda"),
    "zeros_like": lambda x: torch.zeros_like(x, device="cuda"),
    "type": lambda x: torch.zeros(8).type("torch.cuda.FloatTensor"),
    "pinned": lambda x: torch.zeros(8).pin_memory().cuda(non_blocking=True),
    "a context": in_context,
    "the current device": on_the_current,
    "mps": lambda x: torch.zeros(8).to("mps"),
    "xpu": lambda x: torch.zeros(8, device="xpu"),
    "back to the cpu": lambda x: x.cuda().cpu(),
}


@pytest.mark.parametrize("name", ASKS)
@pytest.mark.parametrize("mode", ["infer", "train"])
def test_cuda_in_forward(name: str, mode: str) -> None:
    """In training, the gradient of the weight is one product more; the input needs none."""
    around = fingerprint.of_process()
    cost = measure(lambda: Net(ASKS[name]), inputs=ROWS, mode=mode, optimizer="none" if mode == "train" else None)
    assert (cost.macs, cost.executed) == (PRODUCT * (2 if mode == "train" else 1), "meta")
    assert fingerprint.differences(around, fingerprint.of_process()) == []


@pytest.mark.parametrize("move", [lambda m: m.cuda(), lambda m: m.to("cuda"), lambda m: m.to("cuda", torch.float64)])
def test_a_module_that_moves_a_part_of_itself(move: Any) -> None:
    class Moves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> Any:
            move(self.part)
            return self.part(x.to(self.part.weight.dtype))

    model = Moves()
    before = fingerprint.of_model(model)
    assert measure(model, inputs=ROWS).macs == PRODUCT
    assert fingerprint.differences(before, fingerprint.of_model(model)) == []


def test_the_cpu_stands_in_where_values_are_read() -> None:
    def reads(x: torch.Tensor) -> torch.Tensor:
        return torch.zeros(8, device="cuda") + float(x.cuda().sum())

    cost = measure(lambda: Net(reads), inputs=ROWS, measured=True)
    assert (cost.macs, cost.executed) == (PRODUCT, "real")
    assert cost.measured is not None


def test_one_that_catches_the_error_is_given_the_device_too() -> None:
    def tries(x: torch.Tensor) -> Any:
        try:
            return x @ torch.ones(8, 8).cuda()
        except Exception:  # noqa: BLE001 - as careless code does
            return x

    assert measure(lambda: Net(tries), inputs=ROWS).macs == 2 * PRODUCT


@pytest.mark.parametrize("reads", [False, True], ids=["on meta", "for real"])
def test_cuda_in_a_factory(reads: bool) -> None:
    def factory() -> nn.Module:
        model = nn.Linear(8, 8, device="cuda").cuda()
        if reads:
            assert float(model.weight.detach().sum()) != 0
        return model

    assert measure(factory, inputs=ROWS).macs == PRODUCT


def test_cuda_in_the_inputs() -> None:
    assert measure(lambda: nn.Linear(8, 8), inputs=lambda: (torch.zeros(ROWS).cuda(),)).macs == PRODUCT


def test_what_only_cuda_has_is_the_models_own_error() -> None:
    def asks(x: torch.Tensor) -> Any:
        return torch.zeros(8) + torch.cuda.get_device_properties(0).total_memory

    with pytest.raises(ModelError, match=r"CUDA|NVIDIA driver"):
        measure(lambda: Net(asks), inputs=ROWS)
    with pytest.raises(TargetError, match=r"CUDA|NVIDIA driver"):
        measure(lambda: nn.Linear(torch.cuda.get_device_properties(0).total_memory, 1), inputs=ROWS)


def test_pytorch_still_refuses_afterwards() -> None:
    measure(lambda: Net(ASKS["cuda()"]), inputs=ROWS)
    assert not torch.cuda.is_initialized()
    with pytest.raises((AssertionError, RuntimeError), match=r"CUDA|NVIDIA"):
        torch.zeros(1).cuda()
