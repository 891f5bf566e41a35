"""Outputs of operators that PyTorch works out on meta by running their steps, or that it refuses there."""

from __future__ import annotations

from collections.abc import Callable
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


OUTPUTS: dict[Any, Callable[..., Any]] = {
    getattr(getattr(torch.ops.aten, name), overload): _recurrent
    for name in _RECURRENT
    for overload in ("input", "data")
}
"""Operator to a function of its arguments, which gives what it returns on meta."""

if hasattr(torch.ops.aten, "_grouped_mm"):
    OUTPUTS[torch.ops.aten._grouped_mm.default] = _grouped_mm
