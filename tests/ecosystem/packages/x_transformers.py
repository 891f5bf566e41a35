"""x-transformers: decoders and encoders with the variations of its catalogue."""

from __future__ import annotations

import torch
from ecosystem.case import Case, ids, image
from x_transformers import (
    ContinuousTransformerWrapper,
    Decoder,
    Encoder,
    TransformerWrapper,
    ViTransformerWrapper,
    XTransformer,
)

SMALL = {"dim": 32, "depth": 2, "heads": 4, "attn_dim_head": 8}


def words(layers: torch.nn.Module) -> torch.nn.Module:
    return TransformerWrapper(num_tokens=50, max_seq_len=32, attn_layers=layers)


CASES = [
    Case("Decoder, rotary", lambda: words(Decoder(**SMALL, rotary_pos_emb=True, ff_glu=True)), (ids(),)),
    Case("Decoder, flash, grouped", lambda: words(Decoder(**SMALL, attn_flash=True, attn_kv_heads=2)), (ids(),),
         attention="fused", beyond={"scaled_dot_product_attention": 2 * 2 * 2 * 16 * 16 * 32}),
    Case("Decoder, ALiBi", lambda: words(Decoder(**SMALL, alibi_pos_bias=True, use_rmsnorm=True)), (ids(),)),
    Case("Encoder, relative", lambda: words(Encoder(**SMALL, rel_pos_bias=True, attn_qk_norm=True)), (ids(),)),
    Case(
        "XTransformer",
        lambda: XTransformer(
            dim=32, enc_num_tokens=50, enc_depth=2, enc_heads=4, enc_max_seq_len=32, dec_num_tokens=50, dec_depth=2,
            dec_heads=4, dec_max_seq_len=32,
        ),
        (ids(), ids(12)),
    ),
    Case(
        "ViTransformerWrapper",
        lambda: ViTransformerWrapper(image_size=32, patch_size=8, num_classes=10, attn_layers=Encoder(**SMALL)),
        (image(32),),
    ),
    Case(
        "ContinuousTransformerWrapper",
        lambda: ContinuousTransformerWrapper(
            dim_in=8, dim_out=4, max_seq_len=32, attn_layers=Encoder(**SMALL, rotary_xpos=False, macaron=True)
        ),
        (torch.zeros(1, 16, 8),),
    ),
]  # fmt: skip
