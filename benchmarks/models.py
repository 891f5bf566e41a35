"""The models that are counted: what builds them, at which point, and what they cost in truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torchvision
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from . import truth


class Recurrent(nn.Module):
    """Two LSTM layers and a linear one after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(256, 512, num_layers=2, batch_first=True)
        self.head = nn.Linear(512, 256)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(x)[0])


def _pair(channels: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for entering in (channels, width):
        layers += [nn.Conv2d(entering, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Down four levels, and up again with what each level was joined to it."""

    def __init__(self) -> None:
        super().__init__()
        widths = [3, 32, 64, 128, 256, 512]
        self.down = nn.ModuleList(_pair(a, b) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in (256, 128, 64, 32))
        self.join = nn.ModuleList(_pair(2 * w, w) for w in (256, 128, 64, 32))
        self.head = nn.Conv2d(32, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        levels = []
        for i, down in enumerate(self.down):
            x = down(nn.functional.max_pool2d(x, 2) if i else x)
            levels.append(x)
        for up, join, level in zip(self.up, self.join, levels[-2::-1], strict=True):
            x = join(torch.cat([level, up(x)], 1))
        return self.head(x)


class GPT2(nn.Module):
    """GPT-2 small as published, from token ids to logits: a tensor in and a tensor out is what every counter takes."""

    def __init__(self) -> None:
        super().__init__()
        self.model = GPT2LMHeadModel(GPT2Config(use_cache=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=x).logits


@dataclass(frozen=True)
class Case:
    """One model. ``size`` is its resolution or its sequence length; ``published`` billions of multiply-adds."""

    name: str
    factory: Callable[[], nn.Module]
    kind: str  # what ``size`` is: "res", "seq" of token ids, or "steps" of 256 features
    size: int
    truth: Callable[[int, int], int]
    published: float | None = None
    publisher: str = ""

    def point(self, batch: int, size: int) -> dict[str, Any]:
        """The operating point as `measure` takes it."""
        if self.kind == "steps":
            return {"batch": batch, "inputs": (batch, size, 256)}
        return {"batch": batch, self.kind: size}

    def example(self, batch: int, size: int) -> torch.Tensor:
        """The tensor that the other counters take."""
        if self.kind == "seq":
            return torch.randint(0, 50257, (batch, size))
        return torch.randn((batch, size, 256) if self.kind == "steps" else (batch, 3, size, size))


_TORCHVISION = "torchvision's weights, meta['_ops']"

CASES = (
    Case("ResNet-50", torchvision.models.resnet50, "res", 224, truth.resnet50, 4.089, _TORCHVISION),
    Case("ViT-B/16", torchvision.models.vit_b_16, "res", 224, truth.vit_b_16, 17.564, _TORCHVISION),
    Case("Swin-T", torchvision.models.swin_t, "res", 224, truth.swin_t, 4.491, _TORCHVISION),
    Case("EfficientNet-B0", torchvision.models.efficientnet_b0, "res", 224, truth.efficientnet_b0, 0.386, _TORCHVISION),
    Case("LSTM", Recurrent, "steps", 128, truth.lstm),
    Case("GPT-2", GPT2, "seq", 128, truth.gpt2),
    Case("U-Net", UNet, "res", 224, truth.unet),
)
BY_NAME = {case.name: case for case in CASES}

_LLAMA_2 = {
    "Llama-2-7B": {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32},
    "Llama-2-70B": {
        "hidden_size": 8192,
        "intermediate_size": 28672,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
    },
}
"""Touvron et al. 2023, and the configurations published with the weights."""


def llama(name: str) -> nn.Module:
    """A Llama 2 in bfloat16 from its published sizes; nothing is downloaded."""
    config = LlamaConfig(vocab_size=32000, max_position_embeddings=4096, **_LLAMA_2[name])
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        return LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
