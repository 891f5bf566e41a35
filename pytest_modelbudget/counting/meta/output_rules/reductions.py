"""Outputs of reductions over dimensions, of softmax, of pooling to a size, and of losses."""

from __future__ import annotations

from typing import Any

import torch

from ..layout import broadcast_shapes, empty, is_row_major, is_strided_meta
from .pointwise import elementwise_gradient
from .registry import FLOATING, output_rule


@output_rule("mean.dim", "sum.dim_IntList")
def _reduction(self: torch.Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The dimensions ``dim`` are left out, or have size 1 with ``keepdim``."""
    if not is_strided_meta(self) or self.dtype not in FLOATING or not dim or not is_row_major(self):
        return NotImplemented
    rank = len(self.shape)
    reduced = {d + rank if d < 0 else d for d in dim}
    if len(reduced) != len(dim) or not all(0 <= d < rank for d in reduced) or 0 in self.shape:
        return NotImplemented
    size = [1 if i in reduced else n for i, n in enumerate(self.shape) if keepdim or i not in reduced]
    return empty(tuple(size), dtype or self.dtype) if dtype is None or dtype in FLOATING else NotImplemented


@output_rule("softmax.int", "log_softmax.int", "_softmax", "_log_softmax")
def _softmax(self: torch.Tensor, dim: int, option: Any = None) -> Any:
    """``option`` is a dtype for ``softmax.int``, and whether halves become floats for ``_softmax``."""
    if not is_strided_meta(self) or self.dtype not in FLOATING or (option is not None and option is not False):
        return NotImplemented
    if not -len(self.shape) <= dim < len(self.shape) or not is_row_major(self) or 0 in self.shape:
        return NotImplemented
    return empty(self.shape, self.dtype)


@output_rule("_softmax_backward_data", "_log_softmax_backward_data")
def _softmax_backward(grad_output: torch.Tensor, output: torch.Tensor, dim: int, input_dtype: torch.dtype) -> Any:
    if input_dtype is not grad_output.dtype:
        return NotImplemented
    return elementwise_gradient(grad_output, output)


@output_rule("adaptive_avg_pool2d")
def _adaptive_avg_pool2d(self: torch.Tensor, output_size: Any) -> Any:
    """The last two sizes become ``output_size``."""
    if not is_strided_meta(self) or self.dtype not in FLOATING or self.dim() != 4 or not is_row_major(self):
        return NotImplemented
    size = self.shape
    if 0 in size:
        return NotImplemented
    if size[1] == 1 or max(size[2:]) == 1 or len(output_size) != 2 or min(output_size) < 1:
        return NotImplemented
    return empty((*size[:2], *output_size), self.dtype)


@output_rule("mse_loss", "smooth_l1_loss")
def _loss(self: torch.Tensor, target: torch.Tensor, reduction: int = 1, *options: Any) -> Any:
    """A scalar in memory of the size of the input: PyTorch allocates that, and resizes it (``Loss.cpp``)."""
    if not reduction or not is_strided_meta(self) or not is_strided_meta(target):
        return NotImplemented
    size = broadcast_shapes(self.shape, target.shape)
    if size is None or self.dtype not in FLOATING or target.dtype is not self.dtype:
        return NotImplemented
    return empty(size, self.dtype).resize_(())
