"""Scaled dot-product attention, whichever kernel runs it: two matrix products, masked or causal or not."""

from __future__ import annotations

import math
from typing import Any

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
)
def attention_flop(query: Any, key: Any, value: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """``softmax(Q Kᵀ) V`` for Q ``(..., L, E)``, K ``(..., S, E)``, V ``(..., S, F)``: L·S·(E + F) a head.

    The whole score matrix counts, causal or not, as in ``torch.utils.flop_counter``. Grouped-query attention
    has the heads of the query. The score matrix is an output of a product, so it counts as activations
    whether a kernel stores it or not: fused and plain attention give the same numbers.
    """
    heads = math.prod(query.shape[:-2])
    length, width = query.shape[-2:]
    source, values = value.shape[-2:]
    return multiply_adds(heads * length * source * (width + values), heads * length * (source + values))
