"""Outputs of recurrent layers, which PyTorch runs step by step on the meta device."""

from __future__ import annotations

from typing import Any

import torch

from .. import checks
from ..recurrent import RECURRENT
from .registry import output_rule


@output_rule(*(f"{name}.{overload}" for name in RECURRENT.values() for overload in ("input", "data")))
def _recurrent(input: Any, second: Any, third: Any, fourth: Any, *rest: Any) -> Any:
    """``(output, h_n[, c_n])`` over ``(T, B, C)``, or over packed ``data`` of one row for each token.

    States keep their sizes; the output has one state for each token and direction. Called as
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
    elif rest[4]:  # batch_first, which PyTorch computes time first and transposes
        output = input.new_empty(input.shape[1], input.shape[0], width).transpose(0, 1)
    else:
        output = input.new_empty(*input.shape[:2], width)
    return (output, *(torch.empty_like(state) for state in states))
