"""Scaled dot-product attention: two matrix products, whichever kernel runs it, masked, causal or neither."""

from __future__ import annotations

import math
from typing import Any

import torch

from .count import Count, multiply_adds
from .registry import formula


@formula(
    "scaled_dot_product_attention",
    "_scaled_dot_product_attention_math",
    "_scaled_dot_product_attention_math_for_mps",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_fused_attention_overrideable",
    "_cudnn_attention_forward",
    "_triton_scaled_dot_attention",
    "higher_order::flex_attention",
)
def attention_flop(query: Any, key: Any, value: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """``softmax(Q Kᵀ) V`` for Q ``(..., L, E)``, K ``(..., S, E)``, V ``(..., S, F)``: L·S·(E + F) a head.

    The whole score matrix counts, causal or not, as in ``torch.utils.flop_counter``. Grouped-query attention
    counts the heads of the query. The score matrix is the output of a product, so it counts as activations
    whether a kernel stores it or not: fused and unfused attention give the same numbers.
    """
    return _attention(math.prod(query.shape[:-2]), query.shape[-2], value.shape[-2], query.shape[-1], value.shape[-1])


def _attention(heads: int, length: int, source: int, width: int, values: int) -> Count:
    return multiply_adds(heads * length * source * (width + values), heads * length * (source + values))


@formula("_flash_attention_forward", "_efficient_attention_forward")
def varlen_attention_flop(query: Any, key: Any, value: Any, *rest: Any, out: Any, **kwargs: Any) -> Count | None:
    """Attention over ``(B, L, heads, E)``, or over sequences of several lengths in one: ``(1, tokens, heads, E)``.

    The next arguments are then the cumulative lengths of those sequences. On the meta device they have no values, so
    that the call cannot be counted.
    """
    cumulative = [tensor for tensor in rest[:3] if isinstance(tensor, torch.Tensor) and tensor.dim() == 1]
    heads, width, values = query.shape[-2], query.shape[-1], value.shape[-1]
    if not cumulative:
        return _attention(query.shape[0] * heads, query.shape[1], value.shape[1], width, values)
    if any(tensor.is_meta for tensor in cumulative):
        return None
    lengths, sources = cumulative[0].diff().tolist(), cumulative[-1].diff().tolist()
    counts = [_attention(heads, n, m, width, values) for n, m in zip(lengths, sources, strict=True)]
    return multiply_adds(sum(count.macs for count in counts), sum(count.activations for count in counts))


@formula(
    "_scaled_dot_product_flash_attention_for_cpu_backward",
    "_scaled_dot_product_flash_attention_backward",
    "_scaled_dot_product_efficient_attention_backward",
    "_scaled_dot_product_cudnn_attention_backward",
    "_scaled_dot_product_fused_attention_overrideable_backward",
)
def attention_backward_flop(grad: Any, query: Any, key: Any, value: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """The gradients of both products: of the scores ``grad Vᵀ``, of Q, K and V. Scores computed again are free."""
    heads, length, width = math.prod(query.shape[:-2]), query.shape[-2], query.shape[-1]
    source, values = value.shape[-2:]
    return multiply_adds(
        2 * heads * length * source * (width + values),
        heads * (length * source + source * values + length * width + source * width),
    )
