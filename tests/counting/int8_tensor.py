"""A tensor subclass that stores int8 elements and a scale for each row, as libraries for quantisation write them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map


class Int8Tensor(torch.Tensor):
    """Looks like a float32 matrix. Every operator gets its float32 values, but for those that move or detach it."""

    @staticmethod
    def __new__(cls, elements: torch.Tensor, scale: torch.Tensor, note: str = "rows") -> Any:
        return torch.Tensor._make_wrapper_subclass(
            cls, elements.shape, strides=elements.stride(), dtype=torch.float32, device=elements.device
        )

    def __init__(self, elements: torch.Tensor, scale: torch.Tensor, note: str = "rows") -> None:
        self.elements, self.scale, self.note = elements, scale, note

    @classmethod
    def of(cls, weight: torch.Tensor) -> Int8Tensor:
        """A matrix, quantised row by row."""
        scale = weight.detach().abs().amax(1, keepdim=True) / 127
        return cls((weight.detach() / scale).round().to(torch.int8), scale)

    def __tensor_flatten__(self) -> Any:
        return ["elements", "scale"], self.note

    @classmethod
    def __tensor_unflatten__(cls, parts: Any, note: Any, size: Any, stride: Any) -> Int8Tensor:
        return cls(parts["elements"], parts["scale"], note)

    def float_values(self) -> torch.Tensor:
        return self.elements.to(torch.float32) * self.scale

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.ops.aten.detach.default, torch.ops.aten.clone.default):
            return cls(func(args[0].elements), func(args[0].scale), args[0].note)
        values = tree_map(lambda value: value.float_values() if isinstance(value, cls) else value, (args, kwargs or {}))
        return func(*values[0], **values[1])


def quantised(model: nn.Module) -> nn.Module:
    """A model, its linear layers quantised in place."""
    for module in list(model.modules()):
        if isinstance(module, nn.Linear):
            module.weight = nn.Parameter(Int8Tensor.of(module.weight), requires_grad=False)
    return model
