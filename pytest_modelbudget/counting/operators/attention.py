"""Scaled dot-product attention: two matrix products, whichever kernel runs it, masked, causal or neither."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from . import nested
from .count import Count, multiply_adds
from .lengths import UnknownValues, lengths, values
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
    "_triton_scaled_dot_attention",
)
def attention_flop(query: Any, key: Any, value: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """``softmax(Q Kᵀ) V`` for Q ``(..., L, E)``, K ``(..., S, E)``, V ``(..., S, F)``: L·S·(E + F) a head.

    The whole score matrix counts, causal or not, as in ``torch.utils.flop_counter``. Grouped-query attention
    counts the heads of the query. The score matrix is the output of a product, so it counts as activations
    whether a kernel stores it or not: fused and unfused attention give the same numbers.
    """
    if query.is_nested:
        return _nested(query, key, value)
    return attention(math.prod(query.shape[:-2]), query.shape[-2], value.shape[-2], query.shape[-1], value.shape[-1])


def _nested(query: Any, key: Any, value: Any) -> Count:
    """Attention over a nested batch of ``(heads, L, E)``, ``(heads, S, E)`` and ``(heads, S, F)``."""
    batch = zip(nested.sizes(query), nested.sizes(value), strict=True)
    return _sum(attention(math.prod(q[:-2]), q[-2], v[-2], q[-1], v[-1]) for q, v in batch)


def attention(heads: int, length: int, source: int, width: int, values: int) -> Count:
    """Attention of ``length`` queries to ``source`` keys in each of ``heads``, of widths ``width`` and ``values``."""
    return multiply_adds(heads * length * source * (width + values), heads * length * (source + values))


@formula(
    "_scaled_dot_product_flash_attention_for_cpu_backward",
    "_scaled_dot_product_flash_attention_backward",
    "_scaled_dot_product_efficient_attention_backward",
    "_scaled_dot_product_cudnn_attention_backward",
    "_scaled_dot_product_fused_attention_overrideable_backward",
)
def attention_backward_flop(grad: Any, query: Any, key: Any, value: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """The gradients of two products: of the scores ``grad Vᵀ``, of Q, K and V. What a kernel recomputes is its own."""
    heads, source = math.prod(query.shape[:-2]), value.shape[-2]
    return attention_backward(heads, query.shape[-2], source, query.shape[-1], value.shape[-1])


def attention_backward(heads: int, length: int, source: int, width: int, values: int) -> Count:
    """The four products of the backward pass of `attention`."""
    return multiply_adds(
        2 * heads * length * source * (width + values),
        heads * (length * source + source * values + length * width + source * width),
    )


# Kernels that take ``(B, L, heads, E)``, or sequences end to end, ``(tokens, heads, E)`` or ``(1, tokens, heads, E)``,
# and the borders between them. Each sequence attends to itself, or to as many keys as are in use: that is data.


@formula("_flash_attention_forward")
def flash_attention_flop(
    query: Any, key: Any, value: Any, queries: Any, keys: Any, *rest: Any, out: Any, seqused_k: Any = None,
    **kwargs: Any,
) -> Count | None:  # fmt: skip
    """Flash attention. ``seqused_k`` says how many of the keys of each sequence are in use, as in a cache of pages."""
    return _packed(query, value, queries, keys, seqused_k)


@formula("torch_attn::_varlen_attn")
def varlen_attention_flop(
    query: Any, key: Any, value: Any, queries: Any, keys: Any, max_q: int, max_k: int, is_causal: bool = False,
    scale: Any = None, window_size: Any = None, enable_gqa: bool = False, seqused_k: Any = None, *rest: Any,
    out: Any, **kwargs: Any,
) -> Count | None:  # fmt: skip
    """``torch.nn.attention.varlen``: flash attention, called otherwise."""
    return _packed(query, value, queries, keys, seqused_k)


@formula("_flash_attention_forward_no_dropout_inplace", "_cudnn_attention_forward_no_dropout_inplace")
def flash_attention_into_flop(into: Any, *args: Any, out: Any, **kwargs: Any) -> Count | None:
    """Flash attention into a tensor that is given, and cuDNN's, which takes the same."""
    return flash_attention_flop(*args, out=out, **kwargs)


@formula("torch_attn::_varlen_attn_out")
def varlen_attention_into_flop(into: Any, *args: Any, out: Any, **kwargs: Any) -> Count | None:
    """``torch.nn.attention.varlen`` into a tensor that is given."""
    return varlen_attention_flop(*args, out=out, **kwargs)


@formula("_efficient_attention_forward")
def efficient_attention_flop(
    query: Any, key: Any, value: Any, bias: Any, queries: Any, keys: Any, *rest: Any, out: Any, **kwargs: Any
) -> Count | None:  # fmt: skip
    """Memory-efficient attention. ``seqlen_k`` says how many keys of each sequence are in use."""
    return _packed(query, value, queries, keys, kwargs.get("seqlen_k"))


@formula("_cudnn_attention_forward")
def cudnn_attention_flop(
    query: Any, key: Any, value: Any, bias: Any, queries: Any, keys: Any, *rest: Any, out: Any, **kwargs: Any
) -> Count | None:  # fmt: skip
    """cuDNN's attention: ``(B, heads, L, E)``, or sequences end to end."""
    return attention_flop(query, key, value, out=out) if queries is None else _packed(query, value, queries, keys, None)


@formula("_flash_attention_backward", "torch_attn::_varlen_attn_backward")
def flash_attention_backward_flop(
    grad: Any, query: Any, key: Any, value: Any, output: Any, sums: Any, queries: Any, keys: Any, *rest: Any,
    out: Any, **kwargs: Any,
) -> Count | None:  # fmt: skip
    """The gradients of flash attention."""
    return _packed(query, value, queries, keys, None, one=attention_backward)


@formula("_efficient_attention_backward")
def efficient_attention_backward_flop(
    grad: Any, query: Any, key: Any, value: Any, bias: Any, output: Any, queries: Any, keys: Any, *rest: Any,
    out: Any, **kwargs: Any,
) -> Count | None:  # fmt: skip
    """The gradients of memory-efficient attention."""
    return _packed(query, value, queries, keys, None, one=attention_backward)


@formula("_cudnn_attention_backward")
def cudnn_attention_backward_flop(
    grad: Any, query: Any, key: Any, value: Any, output: Any, sums: Any, seed: Any, offset: Any, bias: Any,
    queries: Any, keys: Any, *rest: Any, out: Any, **kwargs: Any,
) -> Count | None:  # fmt: skip
    """The gradients of cuDNN's attention."""
    if queries is None:
        return attention_backward_flop(grad, query, key, value, out=out)
    return _packed(query, value, queries, keys, None, one=attention_backward)


def _packed(query: Any, value: Any, queries: Any, keys: Any, used: Any, *, one: Any = attention) -> Count | None:
    """The sum over sequences of ``one`` of them. These kernels run on a GPU only, as `UnknownValues` says.

    Borders that are all zero stand in for some that are not known: then it cannot be counted.
    """
    heads, widths = query.shape[-2], (query.shape[-1], value.shape[-1])
    plain = queries is None or queries.numel() == 0
    if plain and used is None:
        return _sum([one(query.shape[0] * heads, query.shape[1], value.shape[1], *widths)])
    try:
        lengths_of_queries = [query.shape[1]] * query.shape[0] if plain else lengths(queries)
        sources = lengths(queries if keys is None else keys) if used is None else values(used).tolist()
    except UnknownValues:
        raise UnknownValues(on="cuda") from None
    if query.numel() and not (sum(lengths_of_queries) and sum(sources)):
        return None
    return _sum(one(heads, n, m, *widths) for n, m in zip(lengths_of_queries, sources, strict=True))


def _sum(counts: Iterable[Count]) -> Count:
    found = [*counts]
    return multiply_adds(sum(count.macs for count in found), sum(count.activations for count in found))
