"""torchaudio: speech and sources."""

from __future__ import annotations

import torch
from ecosystem.case import Case
from torchaudio import models

LENGTHS = torch.tensor([20, 14])
FEATURES = torch.zeros(2, 20, 16)


def conv_tasnet() -> torch.nn.Module:
    return models.ConvTasNet(2, enc_num_feats=16, msk_num_feats=8, msk_num_hidden_feats=16, msk_num_layers=2,
                             msk_num_stacks=2)  # fmt: skip


def wav2vec2() -> torch.nn.Module:
    return models.wav2vec2_model(
        "group_norm", [(16, 10, 5), (16, 3, 2)], False, 32, 0.0, 8, 4, 2, 4, 0.0, 48, 0.0, 0.0, False, 0.0, 12
    )


CASES = [
    Case("Conformer", lambda: models.Conformer(16, 4, 32, 2, 7), (FEATURES, LENGTHS)),
    Case("Emformer", lambda: models.Emformer(16, 4, 32, 2, segment_length=4, right_context_length=2),
         (torch.zeros(2, 22, 16), LENGTHS)),
    Case("Wav2Vec2Model", wav2vec2, (torch.zeros(1, 800),)),
    Case("ConvTasNet", conv_tasnet, (torch.zeros(1, 1, 400),)),
    Case("DeepSpeech", lambda: models.DeepSpeech(16, n_hidden=24, n_class=10), (torch.zeros(2, 1, 20, 16),)),
    Case("HDemucs", lambda: models.HDemucs(["voice", "rest"], audio_channels=1, channels=8, depth=4, nfft=256),
         (torch.zeros(1, 1, 4096),),
         beyond={"stft": 5 * 68 * 256 * 8 // 2, "istft": 5 * 2 * 68 * 256 * 8 // 2},
         memory="istft: PyTorch's decomposition for the meta device repeats the window for each signal"),
    Case("WaveRNN", lambda: models.WaveRNN([2, 2], 16, 4, n_res_block=2, n_rnn=16, n_fc=16, n_freq=10, n_hidden=16,
                                           n_output=16), (torch.zeros(1, 1, 16), torch.zeros(1, 1, 10, 8))),
]  # fmt: skip
