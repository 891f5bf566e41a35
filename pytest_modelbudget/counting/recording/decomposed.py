"""Functions that autograd (or ``torch.func``) dissolves into operators that cost something else: counted whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from ..operators.normalisation import adaptive_avg_pool_flop, instance_norm_call

if TYPE_CHECKING:
    from .trace import Trace


class WholeFunctions(TorchFunctionMode):
    """Counts the functions that autograd (or ``torch.func``) dissolves into operators that cost something else.

    ``adaptive_avg_pool2d(x, 1)`` becomes a mean, which is free, ``adaptive_avg_pool1d`` a 2-D pooling, which is not,
    and ``instance_norm`` a batch norm. A Python function is seen instead of the built-in one that it calls.
    """

    _FUNCTIONS: ClassVar = {
        F.adaptive_avg_pool2d: "adaptive_avg_pool2d",
        torch._C._nn.adaptive_avg_pool2d: "adaptive_avg_pool2d",
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

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self._trace = trace

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one function; those named above count as one operator."""
        kwargs = kwargs or {}
        name = _area_pooling(*args, **kwargs) if func is F.interpolate else self._FUNCTIONS.get(func)
        if name is None or self._trace.is_paused:
            return func(*args, **kwargs)
        with self._trace.paused():
            out = func(*args, **kwargs)
        input = _unwrapped(args[0] if args else kwargs.get("input", kwargs.get("self")))
        self._trace.saw_whole(name, input, out)
        if name == "adaptive_avg_pool2d":
            self._trace.add(name, adaptive_avg_pool_flop(input, None, out=out), out)
        elif name == "instance_norm":
            weight = args[1] if len(args) > 1 else kwargs.get("weight")  # F.instance_norm passes it by name
            self._trace.add(name, instance_norm_call(input, weight, out=out), out)
        return out


def _unwrapped(tensor: Any) -> Any:
    """The whole tensor inside ``torch.func.vmap``, where functions see one sample."""
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return tensor


def _area_pooling(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", *rest: Any, **options: Any
) -> str | None:
    """The pooling that ``F.interpolate`` is when its mode is ``area``."""
    return f"adaptive_avg_pool{input.dim() - 2}d" if mode == "area" else None
