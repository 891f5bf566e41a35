"""Outputs of operators that PyTorch works out on meta by running their steps, or that it refuses there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")


def _recurrent(input: Any, second: Any, third: Any, fourth: Any, *rest: Any) -> tuple[torch.Tensor, ...]:
    """``(output, h_n[, c_n])`` over ``(T, B, C)``, or over packed ``data`` of one row a token.

    As ``at::lstm`` and its like: states keep their sizes, the output has one state a token and direction. Called as
    (input, hx, params, has_biases, layers, dropout, train, bidirectional, batch_first), or packed as
    (data, batch_sizes, hx, params, has_biases, layers, dropout, train, bidirectional).
    """
    packed = not isinstance(fourth, bool)
    states = third if packed else second
    states = states if isinstance(states, (list, tuple)) else (states,)
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
) -> torch.Tensor:
    """Two stacks of matrices make a stack, as do two matrices cut along K; a matrix and a stack make a matrix.

    PyTorch computes it in every floating dtype, but on meta accepts bfloat16 only.
    """
    size = [self.shape[-2], mat2.shape[-1]]
    if self.dim() == 3 and mat2.dim() == 3:
        size = [self.shape[0], *size]
    elif self.dim() == 2 and mat2.dim() == 2 and offs is not None:
        size = [offs.shape[0], *size]
    return self.new_empty(size, dtype=out_dtype or self.dtype)


def _batch_norm(
    input: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    mean: torch.Tensor | None,
    var: torch.Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """``(N, C, ...)`` and the mean and deviation saved for backward: ``(C,)`` when training, else ``(0,)``.

    As the kernels on CPU and CUDA save them; on meta PyTorch says ``(C,)`` for both.
    """
    saved = torch.float32 if input.dtype in (torch.float16, torch.bfloat16) else input.dtype
    size = input.shape[1] if training else 0
    return torch.empty_like(input), *(input.new_empty(size, dtype=saved) for _ in range(2))  # type: ignore[return-value]


def _batch_norm_backward(
    grad: torch.Tensor,
    input: torch.Tensor,
    weight: torch.Tensor | None,
    mean: torch.Tensor | None,
    var: torch.Tensor | None,
    saved_mean: torch.Tensor | None,
    saved_invstd: torch.Tensor | None,
    train: bool,
    eps: float,
    output_mask: Sequence[bool],
) -> tuple[torch.Tensor | None, ...]:
    """The gradients of input, weight and bias that are asked for; on meta PyTorch gives all three."""
    like = input if weight is None else weight
    of_input = torch.empty_like(input) if output_mask[0] else None
    return of_input, *(like.new_empty(input.shape[1]) if asked else None for asked in output_mask[1:])


OUTPUTS: dict[Any, Callable[..., Any]] = {
    getattr(getattr(torch.ops.aten, name), overload): _recurrent
    for name in _RECURRENT
    for overload in ("input", "data")
}
"""Operator to a function of its arguments, which gives what it returns on meta."""

OUTPUTS[torch.ops.aten.native_batch_norm.default] = _batch_norm
OUTPUTS[torch.ops.aten.native_batch_norm_backward.default] = _batch_norm_backward

if hasattr(torch.ops.aten, "_grouped_mm"):
    OUTPUTS[torch.ops.aten._grouped_mm.default] = _grouped_mm
