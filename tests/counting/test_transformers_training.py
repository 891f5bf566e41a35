"""Training steps of Hugging Face's OPT count on the meta device, also under autocast, in the memory of none."""

from __future__ import annotations

import pytest
from packaging.version import Version
from transformers import OPTConfig, OPTForCausalLM, __version__

from pytest_modelbudget import measure

pytestmark = pytest.mark.skipif(
    Version(__version__) < Version("5.23"),
    reason=f"OPT of transformers {__version__} reads its mask: it is run for real",
)


def opt() -> OPTForCausalLM:
    return OPTForCausalLM(
        OPTConfig(
            hidden_size=64, ffn_dim=128, num_attention_heads=4, num_hidden_layers=2, word_embed_proj_dim=64,
            max_position_embeddings=64, vocab_size=100, dropout=0.1,
        )
    )  # fmt: skip


@pytest.mark.parametrize("amp", [None, "bf16", "fp16"])
@pytest.mark.parametrize("attention", ["fused", "math"])
def test_opt_trains_on_meta(amp, attention):
    cost = measure(opt, batch=2, seq=32, mode="train", optimizer="adamw", amp=amp, attention=attention, device="cuda")
    assert cost.executed == "meta"
    assert cost.notes == ()
    assert cost.backward_flops > cost.forward_flops
