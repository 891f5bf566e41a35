"""The function mode that counts, as one operator each, functions whose decomposition would cost something else."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from ..operators.normalisation import adaptive_avg_pool_flop, instance_norm_call
from ..pytorch.private import built_in_adaptive_avg_pool2d, is_wrapped_by_transform, unwrapped_of_transform
from .counting_mode import CountingMode


class WholeFunctionMode(TorchFunctionMode):
    """Counts the functions that autograd, or ``torch.func``, decomposes into operators that cost something else.

    ``adaptive_avg_pool2d(x, 1)`` becomes a mean, which is free, ``adaptive_avg_pool1d`` a 2-D pooling, which is not,
    and ``instance_norm`` a batch norm. A Python function arrives here before the built-in one that it calls.
    """

    _FUNCTIONS: ClassVar = {
        F.adaptive_avg_pool2d: "adaptive_avg_pool2d",
        built_in_adaptive_avg_pool2d: "adaptive_avg_pool2d",
        torch.ops.aten.adaptive_avg_pool2d: "adaptive_avg_pool2d",
        torch.ops.aten.adaptive_avg_pool2d.default: "adaptive_avg_pool2d",
        torch.adaptive_avg_pool1d: "adaptive_avg_pool1d",
        torch.ops.aten.adaptive_avg_pool1d: "adaptive_avg_pool1d",
        torch.ops.aten.adaptive_avg_pool1d.default: "adaptive_avg_pool1d",
        F.instance_norm: "instance_norm",
        torch.instance_norm: "instance_norm",
        torch.ops.aten.instance_norm: "instance_norm",
        torch.ops.aten.instance_norm.default: "instance_norm",
    }

    def __init__(self, mode: CountingMode) -> None:
        super().__init__()
        self._mode = mode

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one function. One of those above counts as one operator."""
        kwargs = kwargs or {}
        name = _area_pooling(*args, **kwargs) if func is F.interpolate else self._FUNCTIONS.get(func)
        if name is None or self._mode.is_paused:
            return func(*args, **kwargs)
        with self._mode.paused():
            out = func(*args, **kwargs)
        input = _outside_transforms(args[0] if args else kwargs.get("input", kwargs.get("self")))
        count = None
        if name == "adaptive_avg_pool2d":
            count = adaptive_avg_pool_flop(input, None, out=out)
        elif name == "instance_norm":
            weight = args[1] if len(args) > 1 else kwargs.get("weight")  # F.instance_norm passes it by name
            count = instance_norm_call(input, weight, out=out)
        self._mode.count_function(name, count, input, out)
        return out


def _outside_transforms(tensor: Any) -> Any:
    """The whole tensor, of which functions under ``torch.func.vmap`` see one sample."""
    while is_wrapped_by_transform(tensor):
        tensor = unwrapped_of_transform(tensor)
    return tensor


def _area_pooling(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", *rest: Any, **options: Any
) -> str | None:
    """The adaptive pooling that ``F.interpolate`` runs if its mode is ``area``."""
    return f"adaptive_avg_pool{input.dim() - 2}d" if mode == "area" else None
