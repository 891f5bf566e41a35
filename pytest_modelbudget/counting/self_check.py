"""Small counts derived by hand, checked at the first measurement with a release of PyTorch that was not tried."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from ..errors import BudgetError
from ..values.cost import Cost
from ..values.request import Request
from .pytorch.versions import TRIED, is_tried, version

Count = Callable[[Any, Request], Cost]

_done = False


class _Calls(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def _gradient(x: torch.Tensor) -> torch.Tensor:
    gradient: torch.Tensor = torch.func.grad(lambda y: (y @ x).sum())(x)
    return gradient


class _Check(NamedTuple):
    """A model, its input, and what it costs: multiply-adds, FLOPs as fvcore counts them, bytes in memory."""

    name: str
    build: Callable[[], nn.Module]
    inputs: tuple[int, ...]
    macs: int
    flops: int
    memory: int | None = None
    mode: str = "infer"


_CHECKS = (
    # (2, 4) @ (4, 3), of 15 weights; 8 numbers go in and 6 come out, 4 bytes each
    _Check("a linear layer", lambda: nn.Linear(4, 3), (2, 4), 24, 24, memory=4 * (15 + 8 + 6)),
    # the gradient of its weight is another product
    _Check("a training step", lambda: nn.Linear(4, 3), (2, 4), 48, 48, mode="train"),
    # 4 filters of 3 x 3 x 3 at 6 x 6 places
    _Check("a convolution", lambda: nn.Conv2d(3, 4, 3), (1, 3, 8, 8), 4 * 27 * 36, 4 * 27 * 36),
    # 2 heads: 4 queries by 4 keys of width 8, and the scores by the values
    _Check("attention", lambda: _Calls(lambda x: F.scaled_dot_product_attention(x, x, x)), (1, 2, 4, 8), 512, 512),
    # 3 steps of 2 sequences: 4 gates of 5, each of an input of 4 and a state of 5
    _Check("an LSTM", lambda: nn.LSTM(4, 5), (3, 2, 4), 3 * 2 * 20 * 9, 3 * 2 * 20 * 9),
    # five an element with weights, as fvcore counts it
    _Check("a norm", lambda: nn.LayerNorm(4), (2, 4), 0, 40),
    # one an input element
    _Check("pooling", lambda: nn.AdaptiveAvgPool2d(1), (2, 3, 4, 4), 0, 96),
    # the product and its gradient
    _Check("a gradient in forward", lambda: _Calls(_gradient), (4, 4), 128, 128),
)


def warn_of_untried(count: Count) -> None:
    """Warn once a process if the release of PyTorch was not tried, with the small counts that ``count`` gets wrong."""
    global _done
    if _done or is_tried():
        return
    _done = True
    wrong = [line for check in _CHECKS for line in _differences(check, count)]
    found = "; ".join(wrong) if wrong else f"{len(_CHECKS)} small counts that were checked are right"
    warnings.warn(f"PyTorch {version()} has not been tried ({TRIED} were): counts may differ. {found}.", stacklevel=4)


def _differences(check: _Check, count: Count) -> Iterator[str]:
    """What a check finds wrong, one line each."""
    optimizer = {"optimizer": "none"} if check.mode == "train" else {}
    try:
        cost = count(check.build, Request.of(inputs=[check.inputs], mode=check.mode, **optimizer))
    except BudgetError as error:
        yield f"{check.name} cannot be counted ({error})"
        return
    for name, expected in (("macs", check.macs), ("flops", check.flops), ("memory", check.memory)):
        found = getattr(cost, name)
        if expected is not None and found != expected:
            yield f"{check.name} has {name} {found}, not {expected}"
    if cost.uncounted:
        yield f"{check.name} calls {', '.join(cost.uncounted)}, which nothing counts"
