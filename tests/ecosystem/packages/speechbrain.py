"""speechbrain: recognition of speech and speakers."""

from __future__ import annotations

import torch
from ecosystem.case import Case
from speechbrain.lobes.models.dual_path import Dual_Path_Model, SBTransformerBlock
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
from speechbrain.lobes.models.transformer.TransformerASR import TransformerASR
from speechbrain.lobes.models.Xvector import Xvector

FEATURES = torch.zeros(2, 20, 16)


def asr(**options: object) -> torch.nn.Module:
    return TransformerASR(tgt_vocab=20, input_size=16, d_model=32, nhead=4, num_encoder_layers=2, num_decoder_layers=1,
                          d_ffn=48, **options)  # fmt: skip


def sepformer() -> torch.nn.Module:
    return Dual_Path_Model(
        16, 16, SBTransformerBlock(1, 16, 2, 24), SBTransformerBlock(1, 16, 2, 24), num_layers=1, K=8, num_spks=2
    )


CASES = [
    Case("ECAPA_TDNN", lambda: ECAPA_TDNN(16, lin_neurons=24, channels=[32] * 4 + [96], attention_channels=16),
         (FEATURES, torch.ones(2))),
    Case("Xvector", lambda: Xvector(in_channels=16, tdnn_channels=[16] * 4 + [32], lin_neurons=24), (FEATURES,)),
    Case("TransformerASR", lambda: asr(causal=True), (FEATURES, torch.ones(2, 5, dtype=torch.int64))),
    Case("TransformerASR, Conformer", lambda: asr(encoder_module="conformer", attention_type="RelPosMHAXL",
         kernel_size=7, causal=False, normalize_before=True), (FEATURES, torch.ones(2, 5, dtype=torch.int64))),
    Case("SepFormer", sepformer, (torch.zeros(1, 16, 40),)),
]  # fmt: skip
