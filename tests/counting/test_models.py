"""Models as people have them: from timm and transformers, by token, with shared parts, read by their own code."""

from __future__ import annotations

import pytest
import timm
import torch
import transformers
from torch import nn

from pytest_modelbudget import measure

B, S, H, L, F, V = 2, 16, 32, 3, 64, 100  # batch, tokens, width, layers, width of the feed-forward, vocabulary
HEADS = 4


@pytest.mark.parametrize(
    "name",
    ["pit_ti_224", "naflexvit_base_patch16_gap", "vit_base_patch16_siglip_224", "sequencer2d_s", "gmixer_12_224"],
)
def test_timm_models_that_other_trackers_fail_on_are_counted_whole(name):
    cost = measure(lambda: timm.create_model(name), res=224)
    assert (cost.executed, cost.uncounted) == ("meta", {})
    rows = cost.by_module()
    assert 0 < sum(rows[n].flops for n in rows if n and "." not in n) <= rows[""].flops == cost.flops


def attention(queries: int, keys: int) -> int:
    """Two products of every query with every key, over all heads."""
    return 2 * B * queries * keys * H


def bert():
    config = transformers.BertConfig(
        vocab_size=V, hidden_size=H, num_hidden_layers=L, num_attention_heads=HEADS, intermediate_size=F
    )
    return transformers.BertModel(config)


def gpt2():
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=V, n_embd=H, n_layer=L, n_head=HEADS, n_positions=64)
    )


def llama():
    config = transformers.LlamaConfig(
        vocab_size=V, hidden_size=H, num_hidden_layers=L, num_attention_heads=HEADS, num_key_value_heads=2,
        intermediate_size=F,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


TRANSFORMERS = {
    # query, key, value, output, two of the feed-forward; the pooler takes the first token
    "bert": (bert, L * (B * S * (4 * H * H + 2 * H * F) + attention(S, S)) + B * H * H),
    # the feed-forward is four times as wide; the head gives a score for each word of the vocabulary
    "gpt2": (gpt2, L * (B * S * (4 * H * H + 2 * H * 4 * H) + attention(S, S)) + B * S * H * V),
    # two of four heads for keys and values, a gated feed-forward of three; the rotary embedding is element-wise
    "llama": (
        llama,
        L * (B * S * (2 * H * H + 2 * H * (H // 2) + 3 * H * F) + attention(S, S)) + B * S * H * V,
    ),
}


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers_by_hand(name):
    factory, macs = TRANSFORMERS[name]
    cost = measure(factory, batch=B, seq=S)
    assert cost.macs == macs
    assert cost.uncounted == {}
    assert cost.params == sum(p.numel() for p in factory().parameters())


def test_keyword_inputs_and_positional_ones_cost_the_same():
    ids = torch.zeros(B, S, dtype=torch.int64)
    assert measure(bert, inputs={"input_ids": ids}).macs == measure(bert, batch=B, seq=S).macs


def test_seven_billion_parameters_take_no_memory():
    """Llama-2-7B by its published sizes: 6,738,415,616 parameters."""
    config = transformers.LlamaConfig(
        vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32
    )
    cost = measure(lambda: transformers.LlamaForCausalLM(config), batch=1, seq=2048, dtype="bf16")
    assert (cost.executed, cost.params) == ("meta", 6_738_415_616)
    assert cost.weights >= 2 * cost.params
    matrices = 32 * (4 * 4096**2 + 3 * 4096 * 11008) + 4096 * 32000
    assert cost.macs == 2048 * matrices + 32 * 2 * 2048**2 * 4096


class Shared(nn.Module):
    """One layer under two names, called three times, and weights tied between two layers."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 8, bias=False)
        self.second = self.first
        self.tied = nn.Linear(8, 8, bias=False)
        self.tied.weight = self.first.weight

    def forward(self, x):
        return self.tied(self.second(self.second(self.first(x))))


def test_shared_layers_count_each_call_and_their_weights_once():
    cost = measure(Shared, inputs=(1, 8))
    assert (cost.macs, cost.params) == (4 * 8 * 8, 8 * 8)
    rows = cost.by_module()
    assert sum(rows[name].macs for name in ("first", "second", "tied")) == rows[""].macs


class Reads(nn.Module):
    """Chooses its work by a value, as detectors do."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 4)

    def forward(self, x):
        rows = x[x.abs().sum(1) >= 0]  # all of them, but only data can tell
        return self.layer(rows) if rows.numel() else rows


def test_a_model_that_reads_values_is_run_for_real_and_says_so():
    cost = measure(Reads, inputs=(5, 8))
    assert (cost.executed, cost.macs) == ("real", 5 * 8 * 4)
    assert any("seeded inputs" in note for note in cost.notes)


class NeedsValues(nn.Sequential):
    """Cannot be built on meta: its depth is a value."""

    def __init__(self):
        super().__init__(*[nn.Linear(4, 4) for _ in range(int(torch.ones(3).sum().item()))])


def test_a_factory_that_reads_values_is_built_for_real():
    assert measure(NeedsValues, inputs=(2, 4)).macs == 3 * 2 * 4 * 4
