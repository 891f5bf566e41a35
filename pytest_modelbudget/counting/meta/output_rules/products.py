"""Outputs of matrix products, and of attention, which is two of them.

Unless a fused kernel runs it, attention has its score matrix as a temporary.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch

from .. import checks
from ..layout import empty, is_absent_or, is_row_major, is_strided_meta
from .registry import FLOATING, output_rule, temporaries_rule


@output_rule("linear")
def _linear(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> Any:
    """``(..., K)`` and a weight ``(N, K)`` make ``(..., N)``."""
    if not is_strided_meta(input) or not is_strided_meta(weight):
        return NotImplemented
    dtype, size = input.dtype, input.shape
    if dtype not in FLOATING or weight.dtype is not dtype:
        return NotImplemented
    if len(size) < 2 or weight.dim() != 2 or not input.is_contiguous() or 0 in size or 0 in weight.shape:
        return NotImplemented
    outputs, inputs = weight.shape
    if size[-1] != inputs or not is_absent_or(bias, (outputs,), dtype):
        return NotImplemented
    return empty((*size[:-1], outputs), dtype)


def _product(self: torch.Tensor, mat2: torch.Tensor) -> Any:
    """``(..., M, K)`` and ``(..., K, N)``, whose leading dimensions are equal, make ``(..., M, N)``."""
    if not is_strided_meta(self) or not is_strided_meta(mat2):
        return NotImplemented
    one, other, dtype = self.shape, mat2.shape, self.dtype
    if dtype not in FLOATING or mat2.dtype is not dtype:
        return NotImplemented
    if len(one) != len(other) or one[:-2] != other[:-2] or one[-1] != other[-2] or 0 in one or 0 in other:
        return NotImplemented
    return empty((*one[:-1], other[-1]), dtype)


@output_rule("mm")
def _mm(self: torch.Tensor, mat2: torch.Tensor) -> Any:
    return _product(self, mat2) if self.dim() == 2 else NotImplemented


@output_rule("bmm")
def _bmm(self: torch.Tensor, mat2: torch.Tensor) -> Any:
    return _product(self, mat2) if self.dim() == 3 else NotImplemented


@output_rule("addmm")
def _addmm(self: torch.Tensor, mat1: torch.Tensor, mat2: torch.Tensor, *, beta: Any = 1, alpha: Any = 1) -> Any:
    if mat1.dim() != 2 or not is_strided_meta(mat2) or not is_absent_or(self, mat2.shape[1:], mat1.dtype):
        return NotImplemented
    return _mm(mat1, mat2) if is_row_major(self) else NotImplemented


@output_rule("matmul")
def _matmul(self: torch.Tensor, other: torch.Tensor) -> Any:
    """Two matrices, or batches of matrices that PyTorch multiplies without a copy."""
    if not is_strided_meta(self) or not is_strided_meta(other) or self.dim() < 2 or other.dim() < 2:
        return NotImplemented
    if other.dim() == 2 and self.dim() > 2:
        return _linear(self, other.t()) if is_row_major(self) else NotImplemented
    if not (_batch_dimensions_merge(self) and _batch_dimensions_merge(other)):
        return NotImplemented
    return _product(self, other)


@temporaries_rule("matmul")
def _matmul_with_copies(self: torch.Tensor, other: torch.Tensor) -> Any:
    """Two batches of as many matrices each. PyTorch copies those whose batch dimensions do not merge."""
    if self.dim() < 3 or 1 in self.shape[:-2]:  # strides of dimensions of size 1 do not tell what merges
        return NotImplemented
    output = _product(self, other)
    if output is NotImplemented:
        return NotImplemented
    return output, *(batch.nbytes for batch in (self, other) if not _batch_dimensions_merge(batch))


def _batch_dimensions_merge(batch: torch.Tensor) -> bool:
    """Whether a view can merge the dimensions before the last two into one."""
    size, stride = batch.shape, batch.stride()
    return all(stride[i] == stride[j] * size[j] for i, j in pairwise(range(len(size) - 2)))


@output_rule("_grouped_mm")
def _grouped_mm(
    self: torch.Tensor,
    mat2: torch.Tensor,
    offs: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> Any:
    """Two batches of matrices make a batch, as do two matrices split along K; a matrix and a batch make a matrix.

    PyTorch computes it in every floating dtype, but on the meta device accepts bfloat16 only.
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


@output_rule("scaled_dot_product_attention", outputs_only=True)
def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """``(..., L, E)``, ``(..., S, E)`` and ``(..., S, V)`` make ``(..., L, V)``."""
    if not all(is_strided_meta(t) and t.dtype is query.dtype for t in (query, key, value)):
        return NotImplemented
    q, k, v, dtype = query.shape, key.shape, value.shape, query.dtype
    if len(q) != 4 or q[:2] != k[:2] or k[:3] != v[:3] or q[3] != k[3] or dropout_p or dtype not in FLOATING:
        return NotImplemented
    return NotImplemented if attn_mask is not None or 0 in (*q, *k, *v) else empty((*q[:3], v[3]), dtype)
