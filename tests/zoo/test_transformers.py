"""Architectures of Hugging Face transformers: at published sizes against formulas, small against a real run."""

from __future__ import annotations

import pytest
import torch
import transformers as hf
from four_ways import rows
from one_attempt import attempt
from zoo.transformers_models import ARCHITECTURES, compared

from pytest_modelbudget import measure

QUICK = {"swin-tiny-patch4-window7-224", "convnext-tiny-224", "segformer-b0-finetuned-ade-512-512", "detr-resnet-50"}
"""Published sizes that run for real in a second or two."""


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architecture(name):
    """Parameters and multiply-adds exactly, every operator known, nothing computed, whatever the size."""
    row, cost = compared(name)
    assert (cost.executed, cost.uncounted) == ("meta", {})
    assert row.params.ours == row.params.theirs
    assert row.work.ours == row.work.theirs
    if name in QUICK:
        known = ARCHITECTURES[name]
        real = attempt(known.build, real=True, grad=False, inputs=known.inputs)
        assert rows(real) == rows(cost)


WIDE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
LM = {**WIDE, "vocab_size": 50, "num_key_value_heads": 2}
TEXT = {"input_ids": torch.ones(2, 16, dtype=torch.int64)}
SPEECH = {"input_features": torch.zeros(1, 80, 40), "decoder_input_ids": torch.ones(1, 4, dtype=torch.int64)}
SMALL = {
    "bloom": lambda: hf.BloomForCausalLM(hf.BloomConfig(vocab_size=50, hidden_size=32, n_layer=2, n_head=4)),
    "deberta": lambda: hf.DebertaV2Model(
        hf.DebertaV2Config(
            **WIDE, vocab_size=50, relative_attention=True, position_buckets=8, pos_att_type=["p2c", "c2p"],
            share_att_key=True,
        )
    ),
    "falcon": lambda: hf.FalconForCausalLM(
        hf.FalconConfig(vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4)
    ),
    "gemma2": lambda: hf.Gemma2ForCausalLM(hf.Gemma2Config(**LM, head_dim=16)),
    "mamba": lambda: hf.MambaForCausalLM(hf.MambaConfig(vocab_size=50, hidden_size=32, num_hidden_layers=2)),
    "mixtral": lambda: hf.MixtralForCausalLM(hf.MixtralConfig(**LM)),
    "phi3": lambda: hf.Phi3ForCausalLM(hf.Phi3Config(**LM, pad_token_id=0)),
    "qwen3-moe": lambda: hf.Qwen3MoeForCausalLM(
        hf.Qwen3MoeConfig(**LM, head_dim=16, moe_intermediate_size=24, num_experts=8, num_experts_per_tok=3)
    ),
    "whisper": lambda: hf.WhisperModel(
        hf.WhisperConfig(
            vocab_size=50, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
            decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, max_source_positions=20, pad_token_id=0,
        )
    ),
    "xlnet": lambda: hf.XLNetModel(hf.XLNetConfig(vocab_size=50, d_model=32, n_layer=2, n_head=4, d_inner=48)),
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_a_real_run_counts_the_same(name):
    inputs = SPEECH if name == "whisper" else TEXT
    real = attempt(SMALL[name], real=True, grad=False, inputs=inputs)
    cost = measure(SMALL[name], inputs=inputs)
    assert (cost.executed, cost.uncounted) == ("meta", {})
    assert rows(real) == rows(cost)
    assert real.by_operator() == cost.by_operator()
    assert cost.params == sum(parameter.numel() for parameter in SMALL[name]().parameters())
