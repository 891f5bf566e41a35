"""Outputs of operators that PyTorch works out on meta slowly, by running their steps, or that it refuses there."""

from __future__ import annotations

from typing import Any

import torch

from . import attention, checks
from .cache import META
from .layers import LAYERS, layer_norm_beside, matmul_beside
from .layout import new
from .optimizers import fused_step
from .pointwise import POINTWISE, Rule, entries

_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")


def _recurrent(input: Any, second: Any, third: Any, fourth: Any, *rest: Any) -> Any:
    """``(output, h_n[, c_n])`` over ``(T, B, C)``, or over packed ``data`` of one row a token.

    As ``at::lstm`` and its like: states keep their sizes, the output has one state a token and direction. Called as
    (input, hx, params, has_biases, layers, dropout, train, bidirectional, batch_first), or packed as
    (data, batch_sizes, hx, params, has_biases, layers, dropout, train, bidirectional).
    """
    if not input.is_meta:
        return NotImplemented
    packed = not isinstance(fourth, bool)
    states = third if packed else second
    states = states if isinstance(states, (list, tuple)) else (states,)
    checks.recurrent(input, states)
    bidirectional = rest[4] if packed else rest[3]
    width = states[0].shape[-1] * (2 if bidirectional else 1)
    if packed:
        output = input.new_empty(input.shape[0], width)
    elif rest[4]:  # batch first: computed with time first
        output = input.new_empty(input.shape[1], input.shape[0], width).transpose(0, 1)
    else:
        output = input.new_empty(*input.shape[:2], width)
    return (output, *(torch.empty_like(state) for state in states))


def _grouped_mm(
    self: torch.Tensor,
    mat2: torch.Tensor,
    offs: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> Any:
    """Two stacks of matrices make a stack, as do two matrices cut along K; a matrix and a stack make a matrix.

    PyTorch computes it in every floating dtype, but on meta accepts bfloat16 only.
    """
    if not self.is_meta:
        return NotImplemented
    checks.grouped_mm(self, mat2, offs)
    size = [self.shape[-2], mat2.shape[-1]]
    if self.dim() == 3 and mat2.dim() == 3:
        size = [self.shape[0], *size]
    elif self.dim() == 2 and mat2.dim() == 2 and offs is not None:
        size = [offs.shape[0], *size]
    return self.new_empty(size, dtype=out_dtype or self.dtype)


def _directly(operator: Any) -> Rule:
    """The rule of an operator that PyTorch is quick with: a view is a new tensor each time, and in C++."""

    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        return operator(self, *args, **kwargs) if self.is_meta else NotImplemented

    return run


def _directly_if_contiguous(operator: Any) -> Rule:
    """The rule of one that makes a view of a contiguous tensor, and of another may have to make a copy."""

    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        direct = self.is_meta and self.layout is torch.strided and self.is_contiguous()
        return operator(self, *args, **kwargs) if direct else NotImplemented

    return run


def _copy_in_place(self: Any, src: Any, non_blocking: bool = False) -> Any:
    return torch.ops.aten.copy_.default(self, src) if self.is_meta and src.is_meta else NotImplemented


def _pad(self: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    """Padding with one value makes its output and nothing else."""
    direct = self.is_meta and self.layout is torch.strided and mode == "constant" and min(pad, default=0) >= 0
    return torch.ops.aten.pad.default(self, pad, mode, value) if direct else NotImplemented


def _lift_fresh(self: Any) -> Any:
    """What ``torch.tensor`` made: a small one stays real, so that code may read it."""
    small = self.is_meta or (type(self) is torch.Tensor and self.numel() <= 1)
    return torch.ops.aten.lift_fresh.default(self) if small else NotImplemented


def _memory(
    size: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: Any = None,
    memory_format: Any = None,
) -> Any:
    """New memory of a size, on meta whatever device it is meant for."""
    if layout not in (None, torch.strided) or memory_format is not None or (size and min(size) < 0):
        return NotImplemented
    return new(tuple(size), dtype or torch.get_default_dtype())


def _scalar(s: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: Any = None) -> Any:
    """A single number: on meta only where it is asked for there."""
    if device != META or dtype is None or layout not in (None, torch.strided):
        return NotImplemented
    return new((), dtype)


def _new_memory(
    self: torch.Tensor, size: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: Any = None
) -> Any:
    """New memory beside a tensor on meta."""
    if not self.is_meta or layout not in (None, torch.strided) or (size and min(size) < 0):
        return NotImplemented
    return new(tuple(size), dtype or self.dtype)


_VIEWS = [
    "view", "_unsafe_view", "transpose.int", "permute", "t", "select.int", "slice.Tensor", "unsqueeze", "squeeze",
    "squeeze.dim", "squeeze.dims", "expand", "detach", "alias", "unflatten.int", "split.Tensor", "split.sizes",
    "split_with_sizes", "chunk", "unbind.int", "narrow",
]  # fmt: skip

_FUSED_STEPS = [
    f"_fused_{name}_.{overload}"
    for name in ("adam", "adamw", "sgd", "adagrad")
    for overload in ("default", "tensor_lr")
]

_FILLED = dict([*entries(_memory, "zeros", "ones"), *entries(_scalar, "scalar_tensor")])

OUTPUTS: dict[Any, Rule] = {
    **POINTWISE,
    **LAYERS,
    **{operator: _directly(operator) for operator, _ in entries(_directly, *_VIEWS)},
    torch.ops.aten.reshape.default: _directly_if_contiguous(torch.ops.aten.reshape.default),
    torch.ops.aten.flatten.using_ints: _directly_if_contiguous(torch.ops.aten.flatten.using_ints),
    torch.ops.aten.pad.default: _pad,
    torch.ops.aten.copy_.default: _copy_in_place,
    torch.ops.aten.lift_fresh.default: _lift_fresh,
    **dict(entries(_memory, "empty.memory_format", "rand", "randn")),
    **_FILLED,
    **dict(entries(_new_memory, "new_zeros", "new_ones", "new_empty")),
    **dict(entries(fused_step, *_FUSED_STEPS)),
    **{
        getattr(getattr(torch.ops.aten, name), overload): _recurrent
        for name in _RECURRENT
        for overload in ("input", "data")
    },
}
"""Operator to a function of its arguments, which gives what it returns on meta, or `NotImplemented`."""

FILLED = frozenset(_FILLED)
"""Those that fill new memory with one value: where small values are kept real, PyTorch makes it."""

NEED_MORE = frozenset(
    [
        torch.ops.aten.layer_norm.default,  # a mean and a deviation for each row
        torch.ops.aten.group_norm.default,
        torch.ops.aten.scaled_dot_product_attention.default,  # unless fused, the scores
    ]
)
"""Operators made of others that have more alive than their outputs while they run: their rule is for those alone."""

BESIDE: dict[Any, Rule] = dict(
    [
        *entries(layer_norm_beside, "layer_norm"),
        *entries(matmul_beside, "matmul"),
    ]
)
"""Operator made of others to a function of its arguments, which gives what it returns on meta, and the bytes of each
thing that it has alive beside that at its peak; or `NotImplemented`."""

if hasattr(torch.ops.aten, "_grouped_mm"):
    OUTPUTS[torch.ops.aten._grouped_mm.default] = _grouped_mm

try:
    from torch._higher_order_ops.flex_attention import flex_attention, flex_attention_backward
except ImportError:  # PyTorch 2.4
    pass
else:
    OUTPUTS[flex_attention] = attention.flex_attention
    OUTPUTS[flex_attention_backward] = attention.flex_attention_backward
