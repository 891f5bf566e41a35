"""Outputs of ``flex_attention`` and of its gradients, as the kernels that PyTorch compiles for a GPU return them."""

from __future__ import annotations

from typing import Any

import torch

from ..layout import META, empty
from .registry import output_rule


@output_rule("higher_order::flex_attention")
def _flex_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, score_mod: Any, block_mask: Any, scale: float,
    kernel_options: Any, *buffers: Any,
) -> Any:  # fmt: skip
    """The output, and for each row the log of the sum of exponentials and the maximum.

    The last two have no elements unless the kernel is asked to write them.
    """
    if not query.is_meta:
        return NotImplemented
    rows = tuple(query.shape[:-1])
    out = _in_order_of(query, (*rows, value.shape[-1]))
    dtype = torch.float64 if query.dtype is torch.float64 else torch.float32
    written = (kernel_options.get("OUTPUT_LOGSUMEXP", True), kernel_options.get("OUTPUT_MAX", True))
    return (out, *(empty(rows if is_written else (0,), dtype) for is_written in written))


@output_rule("higher_order::flex_attention_backward")
def _flex_attention_backward(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *rest: Any) -> Any:
    """The gradients of Q, K and V; those of what ``score_mod`` captures are not the operator's."""
    if not query.is_meta:
        return NotImplemented
    return (*(_in_order_of(tensor, tuple(tensor.shape)) for tensor in (query, key, value)), ())


def _in_order_of(tensor: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """A new tensor whose dimensions have the order in memory that those of ``tensor`` have, the last one innermost."""
    outer = sorted(range(tensor.dim() - 1), key=tensor.stride().__getitem__)
    strides, step = [1] * tensor.dim(), size[-1]
    for place in outer:
        strides[place] = step
        step *= size[place]
    return torch.empty_strided(size, strides, dtype=tensor.dtype, device=META)
