"""Matrix products of every shape, dtype and layout, and operators that come down to them."""

from __future__ import annotations

import math
from typing import Any

import torch

from . import nested
from .count import Count, multiply_adds
from .registry import formula, numel
from .sparse import sparse_product, stored_elements


def contraction(out: Any, length: int, *, operand: Any) -> Count:
    """``length`` multiply-adds for each element of ``out``.

    A complex multiply-add is four real ones.
    """
    elements = numel(out)
    return multiply_adds(elements * length * (4 if operand.dtype.is_complex else 1), elements)


def product(left: Any, right: Any, out: Any) -> Count | None:
    """``left @ right`` with broadcasting: shapes ``(..., M, K)`` and ``(..., K, N)``, either may be a vector."""
    if left.is_nested or right.is_nested:
        return multiply_adds(nested.product_macs(left, right), out.numel())
    in_left, in_right = stored_elements(left), stored_elements(right)
    if in_left is not None and in_right is not None:
        return sparse_product(left, right, out=out)
    factor = 4 if left.dtype.is_complex else 1
    if in_left is not None:
        columns = right.shape[-1] if right.dim() > 1 else 1
        return multiply_adds(in_left * columns * factor, numel(out))
    if in_right is not None:
        rows = left.shape[-2] if left.dim() > 1 else 1
        return multiply_adds(in_right * rows * factor, numel(out))
    return contraction(out, left.shape[-1], operand=left)


@formula("mm", "bmm", "matmul", "linalg_matmul", "mv", "_int_mm", "hspmm", "_sparse_mm_reduce_impl")
def mm_flop(self: Any, other: Any, *rest: Any, out: Any, **kwargs: Any) -> Count | None:
    """``(M, K) @ (K, N)``: M·N·K multiply-adds, times the batch."""
    return product(self, other, out)


@formula("_scaled_mm", "_scaled_mm_v2")
def scaled_mm_flop(self: Any, mat2: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """FP8 product ``(M, K) @ (K, N)``; the scales are element-wise. FP4 comes packed, two to an element."""
    return contraction(out, self.shape[-1] * packed_in(self), operand=self)


@formula("_scaled_addmm", "_scaled_addmm_")
def scaled_addmm_flop(self: Any, mat1: Any, mat2: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """As `scaled_mm_flop`, added to a tensor."""
    return scaled_mm_flop(mat1, mat2, out=out)


def packed_in(tensor: Any) -> int:
    """The numbers in one element: FP4 has two."""
    return 2 if tensor.dtype is getattr(torch, "float4_e2m1fn_x2", None) else 1


@formula("linear", "mkldnn_linear")
def linear_flop(input: Any, weight: Any, bias: Any = None, *, out: Any) -> Count | None:
    """``(..., K)`` by a weight ``(N, K)``: N·K multiply-adds a row. The bias is free, as in fvcore."""
    stored = stored_elements(weight)
    if stored is not None:
        return multiply_adds(stored * (input.numel() // max(input.shape[-1], 1)), numel(out))
    return contraction(out, weight.shape[-1], operand=input)


@formula(
    "addmm",
    "addmm_",
    "_addmm_activation",
    "addmv",
    "addmv_",
    "baddbmm",
    "baddbmm_",
    "_sparse_addmm",
    "sspaddmm",
)
def addmm_flop(self: Any, left: Any, right: Any, *rest: Any, out: Any, **kwargs: Any) -> Count | None:
    """``self + left @ right``: the addition is free, as in fvcore."""
    return product(left, right, out)


@formula("addbmm", "addbmm_")
def addbmm_flop(self: Any, batch1: Any, batch2: Any, *, out: Any, **kwargs: Any) -> Count:
    """``self + sum_b batch1[b] @ batch2[b]``: B·M·N·K multiply-adds into ``(M, N)``."""
    return contraction(out, batch1.shape[0] * batch1.shape[-1], operand=batch1)


@formula("dot", "vdot")
def dot_flop(self: Any, other: Any, *, out: Any) -> Count:
    """Inner product of two vectors of length K: K multiply-adds."""
    return contraction(out, self.shape[-1], operand=self)


@formula("_grouped_mm")
def grouped_mm_flop(self: Any, mat2: Any, offs: Any = None, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """Mixture-of-experts product: each row meets the matrix of its group, ``offs`` are the ends of the groups.

    Two matrices cut along K share it among the groups of the output. Rows behind the last end are in no group, and
    skipped; where it is not known, every row is in one: who routes tokens sorts them, and leaves none over.
    """
    length = self.shape[-1] * packed_in(self)
    if self.dim() == 2 and mat2.dim() == 2:  # K is cut
        return multiply_adds(self.shape[0] * _within(offs, length) * mat2.shape[1], numel(out))
    if self.dim() == 3 and mat2.dim() == 3:
        return contraction(out, length, operand=self)
    if self.dim() == 2:
        return multiply_adds(_within(offs, self.shape[0]) * length * mat2.shape[-1], numel(out))
    return multiply_adds(self.shape[-2] * length * _within(offs, mat2.shape[-1]), numel(out))


def _within(ends: Any, most: int) -> int:
    """How many of ``most`` rows are in a group."""
    if ends is None or ends.is_meta or ends.numel() == 0:
        return most
    return min(int(ends[-1]), most) or most  # ends that are all zero stand in for some that are not known


@formula("_scaled_grouped_mm")
def scaled_grouped_mm_flop(
    self: Any, mat2: Any, scale_a: Any, scale_b: Any, offs: Any = None, *rest: Any, out: Any, **kwargs: Any
) -> Count:
    """As ``_grouped_mm``; the scales are element-wise."""
    return grouped_mm_flop(self, mat2, offs, out=out)


@formula("_scaled_grouped_mm_v2")
def scaled_grouped_mm_v2_flop(
    self: Any, mat2: Any, scale_a: Any, recipe_a: Any, swizzle_a: Any, scale_b: Any, recipe_b: Any, swizzle_b: Any,
    offs: Any = None, *rest: Any, out: Any, **kwargs: Any,
) -> Count:  # fmt: skip
    """As ``_grouped_mm``; the scales are element-wise."""
    return grouped_mm_flop(self, mat2, offs, out=out)


@formula("_foreach_mm")
def foreach_mm_flop(self: Any, mat2: Any, *, out: Any) -> Count:
    """A list of products ``(M, K) @ (K, N)``."""
    macs = sum(
        o.numel() * left.shape[-1] * (4 if left.dtype.is_complex else 1) for left, o in zip(self, out, strict=True)
    )
    return multiply_adds(macs, sum(o.numel() for o in out))


@formula("bilinear")
def bilinear_flop(input1: Any, input2: Any, weight: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """``out[b, o] = sum_ij x1[b, i] W[o, i, j] x2[b, j]``: one multiply-add for each (b, o, i, j)."""
    return contraction(out, weight.shape[-1] * weight.shape[-2], operand=input1)


@formula("_trilinear")
def trilinear_flop(
    i1: Any, i2: Any, i3: Any, expand1: Any, expand2: Any, expand3: Any, sumdim: Any, *rest: Any, out: Any
) -> Count:
    """``bilinear`` as autograd calls it: three tensors broadcast along new dimensions, multiplied, and summed."""
    shapes = []
    for tensor, new in ((i1, expand1), (i2, expand2), (i3, expand3)):
        sizes = iter(tensor.shape)
        dims = tensor.dim() + len(new)
        shapes.append([1 if d in new else next(sizes) for d in range(dims)])
    points = math.prod(torch.broadcast_shapes(*shapes))
    return multiply_adds(points * (4 if i1.dtype.is_complex else 1), numel(out))


@formula("cdist", "_cdist_forward", "_euclidean_dist")
def cdist_flop(x1: Any, x2: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """Distances of P to R points in M dimensions: P·R·M multiply-adds, for every norm."""
    return contraction(out, x1.shape[-1], operand=x1)


@formula("pdist", "_pdist_forward")
def pdist_flop(self: Any, p: float = 2, *, out: Any) -> Count:
    """Distances of all N(N-1)/2 pairs in M dimensions: M multiply-adds each."""
    return contraction(out, self.shape[-1], operand=self)


@formula("affine_grid_generator", "cudnn_affine_grid_generator")
def affine_grid_flop(theta: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """A grid of N·H·W points times a ``(2, 3)`` matrix each (``(3, 4)`` in 3-D)."""
    return contraction(out, theta.shape[-1], operand=theta)


@formula("embedding_bag", "_embedding_bag", "_embedding_bag_forward_only")
def embedding_bag_flop(weight: Any, indices: Any, offsets: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """A sum of rows is a reduction, and free; rows weighted one by one are a sparse product.

    The words are as many as there are indices, padding among them, as tokens of padding count in every product.
    """
    weights = kwargs.get("per_sample_weights", rest[3] if len(rest) > 3 else None)
    if weights is None:
        return multiply_adds(0, 0)
    return multiply_adds(indices.numel() * weight.shape[-1], numel(out))


@formula("_native_multi_head_attention", "_triton_multi_head_attention")
def native_mha_flop(
    query: Any,
    key: Any,
    value: Any,
    embed_dim: int,
    num_head: int,
    qkv_weight: Any,
    *rest: Any,
    out: Any,
    **kwargs: Any,
) -> Count:
    """The fused fast path of ``nn.MultiheadAttention``: the same projections and attention as its other path."""
    batch, target, width = query.shape
    source = key.shape[1]
    projections = batch * (2 * target + 2 * source) * width * width
    scores = batch * num_head * target * source
    return multiply_adds(
        projections + 2 * batch * target * source * width,
        batch * (2 * target + 2 * source) * width + scores + batch * target * width,
    )


@formula("_transformer_encoder_layer_fwd")
def encoder_layer_flop(
    src: Any, embed_dim: int, num_heads: int, qkv_weight: Any, *rest: Any, out: Any, **kwargs: Any
) -> Count:
    """The fused fast path of ``nn.TransformerEncoderLayer``: attention, two linear layers, two norms."""
    attention = native_mha_flop(src, src, src, embed_dim, num_heads, qkv_weight, out=out)
    matrices = [t for t in rest if isinstance(t, torch.Tensor) and t.dim() == 2][1:3]  # the first is the projection
    tokens = math.prod(src.shape[:-1])
    linear = multiply_adds(tokens * sum(m.numel() for m in matrices), tokens * sum(m.shape[0] for m in matrices))
    norms = 2 * 5 * src.numel()
    return Count(
        attention.macs + linear.macs,
        attention.fvcore + linear.fvcore + norms,
        attention.torch + linear.torch,
        attention.activations + linear.activations,
    )
