"""Attention, from the bare operator to whole transformers, against counts derived by hand."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from four_ways import Case, calls, each, each_way, module
from one_attempt import attempt
from torch import nn
from torch.nn.attention.flex_attention import flex_attention

sdpa = F.scaled_dot_product_attention
B, H, L, S, E, V = 2, 4, 6, 8, 16, 12
Q, KEYS, VALUES = (B, H, L, E), (B, H, S, E), (B, H, S, V)

# Scores: L·S·E a head, and their product with the values: L·S·V. Both products are outputs.
CROSS = {"macs": B * H * L * S * (E + V), "activations": B * H * L * (S + V)}
SELF = {"macs": B * H * L * L * 2 * E, "activations": B * H * L * (L + E)}

OPERATOR = [
    calls("self", sdpa, [Q, Q, Q], **SELF),
    calls("cross", sdpa, [Q, KEYS, VALUES], **CROSS),
    # the whole score matrix counts: no kernel saves half of it everywhere
    calls("causal", lambda q, k, v: sdpa(q, k, v, is_causal=True), [Q, Q, Q], **SELF),
    calls("float mask", lambda q, k, v, m: sdpa(q, k, v, attn_mask=m), [Q, KEYS, VALUES, (L, S)], **CROSS),
    calls("bool mask", lambda q, k, v, m: sdpa(q, k, v, m > 0), [Q, KEYS, VALUES, (B, 1, L, S)], **CROSS),
    calls("scale", lambda q, k, v: sdpa(q, k, v, scale=0.5), [Q, KEYS, VALUES], **CROSS),
    calls("dropout", lambda q, k, v: sdpa(q, k, v, dropout_p=0.5), [Q, KEYS, VALUES], **CROSS),
    calls("3D", sdpa, [(B, L, E), (B, S, E), (B, S, V)], macs=B * L * S * (E + V), activations=B * L * (S + V)),
    calls("2D", sdpa, [(L, E), (S, E), (S, V)], macs=L * S * (E + V), activations=L * (S + V)),
    calls("5D", sdpa, [(3, *Q), (3, *KEYS), (3, *VALUES)],
          macs=3 * CROSS["macs"], activations=3 * CROSS["activations"]),
    # heads of keys and values are shared: those of the query count
    calls("grouped queries", lambda q, k, v: sdpa(q, k, v, enable_gqa=True), [(B, 4, L, E), (B, 2, S, E), (B, 2, S, V)],
          **CROSS),
    calls("multi query", lambda q, k, v: sdpa(q, k, v, is_causal=True, enable_gqa=True),
          [Q, (B, 1, L, E), (B, 1, L, E)], **SELF),
    calls("bf16", lambda q: sdpa(q.bfloat16(), q.bfloat16(), q.bfloat16()), [Q], **SELF),
    calls("one token of many", sdpa, [(B, H, 1, E), KEYS, VALUES],
          macs=B * H * S * (E + V), activations=B * H * (S + V)),
    calls("aten", torch.ops.aten.scaled_dot_product_attention, [Q, KEYS, VALUES], **CROSS),
    calls("by hand", lambda q, k, v: torch.softmax(q @ k.mT, -1) @ v, [Q, KEYS, VALUES], **CROSS),
    # flash attention's own operator has the heads after the tokens; it runs on CUDA only
    calls("flash",
          lambda q, k, v: torch.ops.aten._flash_attention_forward(q, k, v, None, None, L, S, 0.0, False, False),
          [(B, L, H, E), (B, S, H, E), (B, S, H, E)],
          macs=B * H * L * S * 2 * E, activations=B * H * L * (S + E),
          not_on=dict.fromkeys(["real", "real+grad"], "_flash_attention_forward|flash")),
]  # fmt: skip

# The scores count whole, whatever is done with each; what a block mask leaves out is in test_flex.py.
FLEX = [
    calls("flex", flex_attention, [Q, Q, Q], **SELF),
    calls("flex cross", flex_attention, [Q, KEYS, VALUES], **CROSS),
    calls("flex with relative positions",
          lambda q: flex_attention(q, q, q, score_mod=lambda s, b, h, i, j: s + (i - j)), [Q], **SELF),
    calls("flex grouped queries", lambda q, k, v: flex_attention(q, k, v, enable_gqa=True),
          [(B, 4, L, E), (B, 2, S, E), (B, 2, S, V)], **CROSS),
]  # fmt: skip


def mha(length: int, source: int, key_width: int = E, value_width: int = E, extra: int = 0) -> tuple[int, int]:
    """Multiply-adds and activations of ``nn.MultiheadAttention(E, H)`` on one sequence.

    Projections of queries, keys, values and the output, and attention over the source and ``extra`` tokens.
    """
    projections = length * E * E + source * E * (key_width + value_width) + length * E * E
    attention = length * (source + extra) * 2 * E
    outputs = length * E + 2 * source * E + length * E
    return projections + attention, outputs + H * length * (source + extra) + length * E


def attends(counts: tuple[int, int], batch: int = B) -> dict[str, int]:
    return {"macs": batch * counts[0], "activations": batch * counts[1]}


class WithoutWeights(nn.MultiheadAttention):
    """Not asked for the attention weights, it calls scaled dot-product attention."""

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return super().forward(*inputs, need_weights=False, **options)


class OneWeightForAll(nn.MultiheadAttention):
    """Self-attention as most call it: one tensor three times."""

    def forward(self, x: Any) -> Any:
        return super().forward(x, x, x)


class Masked(nn.MultiheadAttention):
    """With both masks."""

    def forward(self, x: Any, key: Any) -> Any:
        padding = torch.zeros(key.shape[:2], dtype=torch.bool, device=key.device)
        causal = torch.zeros(x.shape[1], key.shape[1], dtype=torch.bool, device=key.device)
        return super().forward(x, key, key, key_padding_mask=padding, attn_mask=causal)


X, Y = (B, L, E), (B, S, E)
MULTIHEAD = [
    module("self-attention", lambda: OneWeightForAll(E, H, batch_first=True), X, **attends(mha(L, L))),
    module("cross-attention", lambda: nn.MultiheadAttention(E, H, batch_first=True), X, Y, Y, **attends(mha(L, S))),
    module("without weights", lambda: WithoutWeights(E, H, batch_first=True), X, Y, Y, **attends(mha(L, S))),
    module("sequence first", lambda: nn.MultiheadAttention(E, H), (L, B, E), (S, B, E), (S, B, E),
           **attends(mha(L, S))),
    module("sequence first, without weights", lambda: WithoutWeights(E, H), (L, B, E), (S, B, E), (S, B, E),
           **attends(mha(L, S))),
    module("masked", lambda: Masked(E, H, batch_first=True), X, Y, **attends(mha(L, S))),
    module("no bias", lambda: nn.MultiheadAttention(E, H, bias=False, batch_first=True), X, Y, Y,
           **attends(mha(L, S))),
    module("kdim and vdim", lambda: nn.MultiheadAttention(E, H, kdim=10, vdim=12, batch_first=True),
           X, (B, S, 10), (B, S, 12), **attends(mha(L, S, 10, 12))),
    module("unbatched", lambda: OneWeightForAll(E, H), (L, E), **attends(mha(L, L), batch=1)),
    module("unbatched, without weights", lambda: WithoutWeights(E, H), (L, E), (S, E), (S, E),
           **attends(mha(L, S), batch=1)),
    # a learned key and value, and a zero one
    module("add_bias_kv", lambda: nn.MultiheadAttention(E, H, add_bias_kv=True, add_zero_attn=True, batch_first=True),
           X, Y, Y, **attends(mha(L, S, extra=2))),
]  # fmt: skip

FF = 32


def added(*parts: tuple[int, int, int]) -> dict[str, int]:
    """The case of ``B`` sequences of parts (multiply-adds, activations, norms of E features)."""
    macs, activations, norms = (sum(column) for column in zip(*parts, strict=True))
    return {"macs": B * macs, "activations": B * activations, "flops": B * (macs + norms * 5 * E)}


def encoder_layer(length: int) -> tuple[int, int, int]:
    macs, activations = mha(length, length)
    return macs + 2 * length * E * FF, activations + length * (FF + E), 2 * length


def decoder_layer(length: int, source: int) -> tuple[int, int, int]:
    own, crossed = mha(length, length), mha(length, source)
    feed_forward = 2 * length * E * FF
    return own[0] + crossed[0] + feed_forward, own[1] + crossed[1] + length * (FF + E), 3 * length


def norm(length: int) -> tuple[int, int, int]:
    return 0, 0, length


def encoder(**options: Any) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(E, H, FF, batch_first=True, **options)


def stack(**options: Any) -> nn.TransformerEncoder:
    return nn.TransformerEncoder(encoder(), 2, norm=nn.LayerNorm(E), **options)


class Padded(nn.Module):
    """An encoder given a padding mask, which it may turn into a nested tensor of the real tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = stack(enable_nested_tensor=True)

    def forward(self, x: Any) -> Any:
        return self.encoder(x, src_key_padding_mask=torch.zeros(x.shape[:2], dtype=torch.bool, device=x.device))


class Causal(nn.Module):
    """A decoder-only transformer as the tutorials write it."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = stack()

    def forward(self, x: Any) -> Any:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], device=x.device)
        return self.encoder(x, mask=mask, is_causal=True)


TRANSFORMER = [
    module("TransformerEncoderLayer", encoder, X, **added(encoder_layer(L))),
    module("norm first", lambda: encoder(norm_first=True), X, **added(encoder_layer(L))),
    module("gelu", lambda: encoder(activation="gelu", bias=False), X, **added(encoder_layer(L))),
    module("layer, sequence first", lambda: nn.TransformerEncoderLayer(E, H, FF), (L, B, E), **added(encoder_layer(L))),
    module("TransformerEncoder", stack, X, **added(encoder_layer(L), encoder_layer(L), norm(L))),
    module("padding mask", Padded, X, **added(encoder_layer(L), encoder_layer(L), norm(L))),
    module("causal mask", Causal, X, **added(encoder_layer(L), encoder_layer(L), norm(L))),
    module("TransformerDecoderLayer", lambda: nn.TransformerDecoderLayer(E, H, FF, batch_first=True), X, Y,
           **added(decoder_layer(L, S))),
    module("decoder, norm first", lambda: nn.TransformerDecoderLayer(E, H, FF, norm_first=True, batch_first=True), X, Y,
           **added(decoder_layer(L, S))),
    # source S and target L; both stacks end with a norm
    module("Transformer", lambda: nn.Transformer(E, H, 2, 2, FF, batch_first=True), Y, X,
           **added(*[encoder_layer(S)] * 2, norm(S), *[decoder_layer(L, S)] * 2, norm(L))),
    module("Transformer, norm first", lambda: nn.Transformer(E, H, 1, 1, FF, norm_first=True), (S, B, E), (L, B, E),
           **added(encoder_layer(S), norm(S), decoder_layer(L, S), norm(L))),
]  # fmt: skip

CASES = [*OPERATOR, *FLEX, *MULTIHEAD, *TRANSFORMER]


@each_way(CASES)
def test_attention_costs_the_same_however_it_runs(case: Case, way: str) -> None:
    case.check(way)


@each(CASES)
def test_a_multiply_add_is_two_flops_for_torch(case: Case) -> None:
    case.check_torch_convention()


class SelfAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(E, H, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention(x, x, x)[0]


LAYER, MHA = "_transformer_encoder_layer_fwd", "_native_multi_head_attention"
FAST = [
    module(LAYER, encoder, X, **added(encoder_layer(L))),
    module(LAYER, lambda: encoder(norm_first=True), X, **added(encoder_layer(L))),
    module(LAYER, lambda: encoder(activation="gelu"), X, **added(encoder_layer(L))),
    module(MHA, SelfAttention, X, **attends(mha(L, L))),
]


@each(FAST)
def test_the_fast_path_that_a_script_takes_costs_the_same(case: Case) -> None:
    """Inside TorchScript the fused kernels cannot be switched off: they count as what they fuse."""
    cost = attempt(torch.jit.script(case.build().eval()), real=True, grad=False, inputs=case.inputs)
    assert list(cost.operators) == [case.name]
    assert (cost.macs, cost.activations) == (case.macs, case.activations)
    assert cost.flops == (case.macs if case.flops is None else case.flops)
