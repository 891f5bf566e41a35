"""Products of sparse matrices: what is stored is multiplied, what is not is skipped.

The number of stored elements is part of a sparse tensor's sizes, so it is known on meta as well. Where the elements
of two sparse matrices meet is data.
"""

from __future__ import annotations

from typing import Any

import torch

from .count import Count, multiply_adds
from .lengths import values
from .registry import formula, numel


def stored_elements(tensor: Any) -> int | None:
    """Elements a sparse tensor really holds (blocks whole), or ``None`` for a dense one."""
    if tensor.layout == torch.strided or tensor.layout == getattr(torch, "_mkldnn", None):
        return None
    parts = tensor._values() if tensor.layout == torch.sparse_coo else tensor.values()
    return int(parts.numel())


@formula("_sparse_sparse_matmul")
def sparse_product(left: Any, right: Any, *, out: Any) -> Count | None:
    """Each stored element (i, k) of ``left`` meets what row k of ``right`` holds."""
    if right.layout == torch.sparse_coo:
        in_rows = values(right.coalesce().indices()[0]).bincount(minlength=right.shape[0])
    elif right.layout == torch.sparse_csr:
        in_rows = values(right.crow_indices()).diff()
    else:
        return None
    if left.layout not in (torch.sparse_coo, torch.sparse_csr):
        return None
    columns = left.coalesce().indices()[1] if left.layout == torch.sparse_coo else left.col_indices()
    real = 4 if left.dtype.is_complex else 1
    return multiply_adds(int(in_rows[values(columns)].sum()) * real, stored_elements(out) or 0)


@formula("sparse_sampled_addmm")
def sampled_addmm_flop(self: Any, mat1: Any, mat2: Any, *, out: Any, **kwargs: Any) -> Count:
    """``mat1 @ mat2`` only where ``self`` holds elements: K multiply-adds for each."""
    stored = stored_elements(self)
    elements = self.numel() if stored is None else stored
    return multiply_adds(elements * mat1.shape[-1] * (4 if mat1.dtype.is_complex else 1), elements)


@formula("_sparse_semi_structured_linear")
def semi_structured_linear_flop(input: Any, weight: Any, meta: Any, *, out: Any, **kwargs: Any) -> Count:
    """A weight of which two in four elements are stored, ``(N, K / 2)``: K / 2 multiply-adds an output element."""
    return multiply_adds(numel(out) * weight.shape[1], numel(out))


@formula("_sparse_semi_structured_mm")
def semi_structured_mm_flop(mat1: Any, meta: Any, mat2: Any, *, out: Any, **kwargs: Any) -> Count:
    """As ``_sparse_semi_structured_linear``."""
    return multiply_adds(numel(out) * mat1.shape[1], numel(out))


@formula("_sparse_semi_structured_addmm")
def semi_structured_addmm_flop(input: Any, mat1: Any, meta: Any, mat2: Any, *, out: Any, **kwargs: Any) -> Count:
    """As ``_sparse_semi_structured_linear``: the addition is free."""
    return multiply_adds(numel(out) * mat1.shape[1], numel(out))


@formula("_cslt_sparse_mm")
def cslt_mm_flop(compressed: Any, dense: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """As ``_sparse_semi_structured_linear``: what is compressed is a blob, so K is read off the dense ``(K, N)``."""
    return multiply_adds(numel(out) * (dense.shape[0] // 2), numel(out))
