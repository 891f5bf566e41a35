"""Architectures of Hugging Face transformers at their published sizes, from configurations; nothing is downloaded.

Parameters are those of the published checkpoint each is named after, as its page on the Hub shows them (a weight
that two layers share counted once), or from the source that is named. Multiply-adds are those of ``formulas.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import transformers as hf
from torchvision.models import get_model_weights
from zoo.comparison import Compared, Figure
from zoo.formulas import (
    S,
    attend,
    clip,
    convnext,
    cross_layer,
    deberta,
    detr,
    grouped,
    head,
    layer,
    mamba,
    segformer,
    swin,
    vit,
    wav2vec2,
    whisper,
    xlnet,
)

from pytest_modelbudget import measure


def ids(tokens=S):
    return torch.zeros(1, tokens, dtype=torch.int64)


def image(height, width=None):
    return torch.zeros(1, 3, height, width or height)


TOKENS = {"input_ids": ids()}
PAIR = {"input_ids": ids(), "decoder_input_ids": ids()}


@dataclass(frozen=True)
class Architecture:
    """How to build a model, what it is given, and what it must come to."""

    build: Callable[[], torch.nn.Module]
    params: int
    macs: int
    inputs: Any = None
    source: str = ""


def meta(name):
    return get_model_weights(name).DEFAULT.meta["num_params"]


BASE = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
BERT = 12 * layer(768, 3072)
TORCHVISION = "torchvision's num_params of the same network"

ARCHITECTURES = {
    # bidirectional; the pooler takes the first token
    "bert-base-uncased": Architecture(
        lambda: hf.BertModel(hf.BertConfig()), 109_482_240, BERT + 768 * 768),
    "roberta-base": Architecture(
        lambda: hf.RobertaModel(hf.RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1)),
        124_645_632, BERT + 768 * 768),
    "distilbert-base-uncased": Architecture(
        lambda: hf.DistilBertModel(hf.DistilBertConfig()), 66_362_880, 6 * layer(768, 3072)),
    "albert-base-v2": Architecture(  # one layer called twelve times, embeddings of 128
        lambda: hf.AlbertModel(hf.AlbertConfig(**BASE)), 11_683_584, S * 128 * 768 + BERT + 768 * 768),
    "electra-base-discriminator": Architecture(
        lambda: hf.ElectraModel(hf.ElectraConfig(**BASE, embedding_size=768)), 108_891_648, BERT),
    "mpnet-base": Architecture(
        lambda: hf.MPNetModel(hf.MPNetConfig(vocab_size=30527, max_position_embeddings=514)),
        109_486_464, BERT + 768 * 768),
    "deberta-v3-base": Architecture(
        lambda: hf.DebertaV2Model(hf.DebertaV2Config(
            **BASE, num_hidden_layers=12, vocab_size=128100, type_vocab_size=0, relative_attention=True,
            position_buckets=256, norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type=["p2c", "c2p"],
            position_biased_input=False)),
        183_831_552, 12 * deberta(768, 3072, 2 * 256)),
    "xlnet-base-cased": Architecture(
        lambda: hf.XLNetModel(hf.XLNetConfig(d_model=768, n_layer=12, n_head=12, d_inner=3072)),
        116_718_336, 12 * xlnet(768, 3072)),
    # from left to right; the head gives a score for every word
    "gpt2": Architecture(
        lambda: hf.GPT2LMHeadModel(hf.GPT2Config()), 124_439_808, BERT + head(768, 50257)),
    "opt-125m": Architecture(
        lambda: hf.OPTForCausalLM(hf.OPTConfig()), 125_239_296, BERT + head(768, 50272)),
    "bloom-560m": Architecture(
        lambda: hf.BloomForCausalLM(hf.BloomConfig(vocab_size=250880, hidden_size=1024, n_layer=24, n_head=16)),
        559_214_592, 24 * layer(1024, 4096) + head(1024, 250880)),
    "pythia-6.9b": Architecture(
        lambda: hf.GPTNeoXForCausalLM(hf.GPTNeoXConfig(
            vocab_size=50432, hidden_size=4096, num_hidden_layers=32, num_attention_heads=32, intermediate_size=16384)),
        6_857_302_016, 32 * layer(4096, 16384) + head(4096, 50432), source="the table in Pythia's README"),
    "gpt-j-6b": Architecture(
        lambda: hf.GPTJForCausalLM(hf.GPTJConfig()), 6_050_882_784, 28 * layer(4096, 16384) + head(4096, 50400)),
    "falcon-7b": Architecture(  # 71 query heads of 64, one head for keys and one for values
        lambda: hf.FalconForCausalLM(hf.FalconConfig()),
        6_921_720_704,
        32 * (S * (2 * 4544**2 + 2 * 4544 * 64 + 2 * 4544 * 4 * 4544) + attend(S, S, 4544)) + head(4544, 65024)),
    "phi-2": Architecture(
        lambda: hf.PhiForCausalLM(hf.PhiConfig(
            vocab_size=51200, hidden_size=2560, intermediate_size=10240, num_hidden_layers=32, num_attention_heads=32,
            partial_rotary_factor=0.4)),
        2_779_683_840, 32 * layer(2560, 10240) + head(2560, 51200)),
    "Phi-3-mini-4k-instruct": Architecture(
        lambda: hf.Phi3ForCausalLM(hf.Phi3Config()),
        3_821_079_552, 32 * grouped(3072, 8192, 3072, 3072) + head(3072, 32064)),
    "Llama-2-7b": Architecture(
        lambda: hf.LlamaForCausalLM(hf.LlamaConfig(
            vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32)),
        6_738_415_616, 32 * grouped(4096, 11008, 4096, 4096) + head(4096, 32000)),
    "Llama-2-70b": Architecture(
        lambda: hf.LlamaForCausalLM(hf.LlamaConfig(
            vocab_size=32000, hidden_size=8192, intermediate_size=28672, num_hidden_layers=80, num_attention_heads=64,
            num_key_value_heads=8)),
        68_976_648_192, 80 * grouped(8192, 28672, 8192, 1024) + head(8192, 32000)),
    "Mistral-7B-v0.1": Architecture(
        lambda: hf.MistralForCausalLM(hf.MistralConfig()),
        7_241_732_096, 32 * grouped(4096, 14336, 4096, 1024) + head(4096, 32000)),
    "Mixtral-8x7B-v0.1": Architecture(  # two of eight experts for each token
        lambda: hf.MixtralForCausalLM(hf.MixtralConfig()),
        46_702_792_704, 32 * grouped(4096, 14336, 4096, 1024, experts=2, router=8) + head(4096, 32000)),
    "Qwen2-0.5B": Architecture(
        lambda: hf.Qwen2ForCausalLM(hf.Qwen2Config(
            vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
            num_key_value_heads=2, tie_word_embeddings=True)),
        494_032_768, 24 * grouped(896, 4864, 896, 128) + head(896, 151936)),
    "Qwen3-8B": Architecture(
        lambda: hf.Qwen3ForCausalLM(hf.Qwen3Config(
            vocab_size=151936, hidden_size=4096, intermediate_size=12288, num_hidden_layers=36, num_attention_heads=32,
            num_key_value_heads=8, head_dim=128, tie_word_embeddings=False)),
        8_190_735_360, 36 * grouped(4096, 12288, 4096, 1024) + head(4096, 151936)),
    "Qwen3-30B-A3B": Architecture(  # eight of 128 experts; heads of 128 that together are wider than the model
        lambda: hf.Qwen3MoeForCausalLM(hf.Qwen3MoeConfig(
            vocab_size=151936, hidden_size=2048, moe_intermediate_size=768, num_hidden_layers=48,
            num_attention_heads=32, num_key_value_heads=4, head_dim=128, num_experts=128, num_experts_per_tok=8,
            tie_word_embeddings=False)),
        30_532_122_624, 48 * grouped(2048, 768, 4096, 512, experts=8, router=128) + head(2048, 151936)),
    "gemma-2b": Architecture(
        lambda: hf.GemmaForCausalLM(hf.GemmaConfig(
            vocab_size=256000, hidden_size=2048, intermediate_size=16384, num_hidden_layers=18, num_attention_heads=8,
            num_key_value_heads=1, head_dim=256)),
        2_506_172_416, 18 * grouped(2048, 16384, 2048, 256) + head(2048, 256000)),
    "gemma-2-2b": Architecture(
        lambda: hf.Gemma2ForCausalLM(hf.Gemma2Config()),
        2_614_341_888, 26 * grouped(2304, 9216, 2048, 1024) + head(2304, 256000)),
    "mamba-130m-hf": Architecture(
        lambda: hf.MambaForCausalLM(hf.MambaConfig(hidden_size=768, num_hidden_layers=24, vocab_size=50280)),
        129_135_360, mamba(768, 24) + head(768, 50280)),
    # from one sequence to another
    "t5-base": Architecture(
        lambda: hf.T5ForConditionalGeneration(hf.T5Config(d_model=768, d_ff=3072, num_layers=12, num_heads=12)),
        222_903_552, 12 * (layer(768, 3072) + cross_layer(768, 3072)) + head(768, 32128), PAIR),
    "bart-base": Architecture(
        lambda: hf.BartModel(hf.BartConfig(
            d_model=768, encoder_layers=6, decoder_layers=6, encoder_ffn_dim=3072, decoder_ffn_dim=3072,
            encoder_attention_heads=12, decoder_attention_heads=12)),
        139_420_416, 6 * (layer(768, 3072) + cross_layer(768, 3072)), PAIR),
    "whisper-small": Architecture(
        lambda: hf.WhisperForConditionalGeneration(hf.WhisperConfig(
            d_model=768, encoder_layers=12, decoder_layers=12, encoder_attention_heads=12, decoder_attention_heads=12,
            encoder_ffn_dim=3072, decoder_ffn_dim=3072)),
        241_734_912, whisper(768, 3072, 12, 3000, 32, 51865),
        {"input_features": torch.zeros(1, 80, 3000), "decoder_input_ids": ids(32)}),
    # pictures and sound
    "clip-vit-base-patch32": Architecture(
        lambda: hf.CLIPModel(hf.CLIPConfig()), 151_277_313, clip(), {"input_ids": ids(77), "pixel_values": image(224)}),
    "vit-base-patch16-224": Architecture(
        lambda: hf.ViTForImageClassification(hf.ViTConfig(num_labels=1000)),
        meta("vit_b_16"), vit(768, 3072, 12, 224, 16) + 768 * 1000, image(224), TORCHVISION),
    "dinov2-base": Architecture(
        lambda: hf.Dinov2Model(hf.Dinov2Config(image_size=518, patch_size=14)),
        86_580_480, vit(768, 3072, 12, 518, 14), image(518)),
    "swin-tiny-patch4-window7-224": Architecture(
        lambda: hf.SwinForImageClassification(hf.SwinConfig(num_labels=1000)),
        meta("swin_t"), swin(96, (2, 2, 6, 2), 224, 7), image(224), TORCHVISION),
    "convnext-tiny-224": Architecture(
        lambda: hf.ConvNextForImageClassification(hf.ConvNextConfig(num_labels=1000)),
        meta("convnext_tiny"), convnext((96, 192, 384, 768), (3, 3, 9, 3), 224), image(224), TORCHVISION),
    "segformer-b0-finetuned-ade-512-512": Architecture(
        lambda: hf.SegformerForSemanticSegmentation(hf.SegformerConfig(num_labels=150)),
        3_752_694, segformer((32, 64, 160, 256), (2, 2, 2, 2), (8, 4, 2, 1), 512, 256, 150), image(512)),
    "detr-resnet-50": Architecture(  # on a small picture: it reads its mask, a value for each pixel
        lambda: hf.DetrForObjectDetection(hf.DetrConfig(
            use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, num_labels=91,
            backbone_config=hf.ResNetConfig(out_features=["stage4"]))),
        41_302_368 + 222_400, detr(192, 256), image(192, 256),
        "what DETR's training logs, and the stem and first stage, which it freezes"),
    "wav2vec2-base": Architecture(
        lambda: hf.Wav2Vec2Model(hf.Wav2Vec2Config()), 94_371_712, wav2vec2(16000), torch.zeros(1, 16000)),
    "hubert-base-ls960": Architecture(
        lambda: hf.HubertModel(hf.HubertConfig()), 94_371_712, wav2vec2(16000), torch.zeros(1, 16000)),
}  # fmt: skip


def compared(name):
    """An architecture beside its formula and its published parameters, and its `Cost`."""
    known = ARCHITECTURES[name]
    inputs = TOKENS if known.inputs is None else known.inputs
    cost = measure(known.build, inputs=inputs)
    tensors = inputs.values() if isinstance(inputs, dict) else [inputs]
    shapes = " and ".join("x".join(map(str, tensor.shape)) for tensor in tensors)
    return Compared(name, shapes, Figure(cost.macs, known.macs), Figure(cost.params, known.params), known.source), cost
