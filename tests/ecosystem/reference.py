"""What a real run on the CPU comes to: PyTorch's own count of its FLOPs, and the bytes that are alive at its peak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from counting.live_bytes import LiveBytes, as_written
from ecosystem.case import Case
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Reference:
    """``flops`` of the operators that ``FlopCounterMode`` has a formula for, elements of parameters, bytes."""

    flops: int
    params: int
    memory: int


def reference(case: Case) -> Reference:
    """A forward pass in eval mode, attention as mathematics, and the same again with another model.

    The FLOPs are those of the first, the peak is that of the second: by then what Python imports on the way and what
    the package caches for the whole process is there.
    """
    torch.manual_seed(0)
    first, second = case.build().eval(), case.build().eval()
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = WholeModel()
    with as_written(), torch.no_grad():
        with counter:
            called(first, case.inputs)
        with LiveBytes(*second.parameters(), *second.buffers(), *tensors_of(case.inputs)) as live:
            called(second, case.inputs)
    params = sum(parameter.numel() for parameter in second.parameters())
    return Reference(counter.get_total_flops(), params, live.peak)


class WholeModel:
    """In place of the tracker of modules, which fails where a module without gradients gets a view of a parameter."""

    parents = ("Global",)

    def __enter__(self) -> None: ...

    def __exit__(self, *_: Any) -> None: ...


def called(model: nn.Module, inputs: Any) -> None:
    inputs = tree_map(lambda value: value, inputs)  # a model may add to a dictionary that it is given
    positional, keywords = (inputs, {}) if isinstance(inputs, tuple) else ((), inputs)
    model(*positional, **keywords)


def tensors_of(value: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)]
