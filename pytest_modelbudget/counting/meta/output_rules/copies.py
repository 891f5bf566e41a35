"""Outputs of operators that copy elements to other places: joining, padding, rolling, copying in place."""

from __future__ import annotations

from typing import Any

import torch

from ..layout import empty, is_row_major, is_strided_meta
from .registry import FLOATING, output_rule


@output_rule("cat")
def _cat(tensors: Any, dim: int = 0) -> Any:
    """The sizes along ``dim`` add up."""
    first = tensors[0]
    if not is_strided_meta(first):
        return NotImplemented
    dtype, rank, size = first.dtype, len(first.shape), list(first.shape)
    if not -rank <= dim < rank or dtype not in FLOATING:
        return NotImplemented
    dim %= rank
    size[dim] = 0
    for tensor in tensors:
        if not is_strided_meta(tensor) or tensor.dtype is not dtype or not is_row_major(tensor):
            return NotImplemented
        if tensor.dim() != rank:
            return NotImplemented
        own = tensor.shape
        if 0 in own or (rank > 3 and 1 in own[1:]):
            return NotImplemented
        if own[:dim] != first.shape[:dim] or own[dim + 1 :] != first.shape[dim + 1 :]:
            return NotImplemented
        size[dim] += own[dim]
    return empty(tuple(size), dtype)


@output_rule("pad")
def _pad(self: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    """Padding with one value, which has no temporaries. Other modes, and negative padding, are PyTorch's."""
    constant = self.is_meta and self.layout is torch.strided and mode == "constant" and min(pad, default=0) >= 0
    return torch.ops.aten.pad.default(self, pad, mode, value) if constant else NotImplemented


@output_rule("roll")
def _roll(self: torch.Tensor, shifts: Any, dims: Any = ()) -> Any:
    rank = self.dim()
    if not is_strided_meta(self) or not is_row_major(self) or 0 in self.shape or len(shifts) != len(dims):
        return NotImplemented
    return empty(self.shape, self.dtype) if all(-rank <= d < rank for d in dims) else NotImplemented


@output_rule("copy_")
def _copy_in_place(self: Any, src: Any, non_blocking: bool = False) -> Any:
    if not self.is_meta or not src.is_meta or self.dtype is torch.bool:  # a boolean may be known, see `FiniteGuards`
        return NotImplemented
    return torch.ops.aten.copy_.default(self, src)
