"""Layers one by one: what is alive in a count is what is alive in a real run, in every precision and memory format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from releases import RELEASE
from torch import nn

from pytest_modelbudget import measure

IMAGE = (2, 3, 6, 6)
CHANNELS = 8

NAMES = [
    "ReLU", "ReLU6", "GELU", "SiLU", "Mish", "ELU", "SELU", "CELU", "LeakyReLU", "Hardswish", "Hardsigmoid", "Hardtanh",
    "LogSigmoid", "PReLU", "RReLU", "Softplus", "Softshrink", "Hardshrink", "Softsign", "Tanh", "Tanhshrink", "Sigmoid",
    "Dropout", "AlphaDropout", "Dropout2d",
]  # fmt: skip
FUNCTIONS: dict[str, Callable[[], nn.Module]] = {
    **{name: getattr(nn, name) for name in NAMES},
    "GLU": lambda: nn.GLU(1),
    "Softmax": lambda: nn.Softmax(1),
    "LogSoftmax": lambda: nn.LogSoftmax(1),
    "ChannelShuffle": lambda: nn.ChannelShuffle(4),
}

NORMS: dict[str, Callable[[], nn.Module]] = {
    "batch norm": lambda: nn.BatchNorm2d(CHANNELS),
    "batch norm without affine": lambda: nn.BatchNorm2d(CHANNELS, affine=False),
    "group norm": lambda: nn.GroupNorm(4, CHANNELS),
    "group norm without affine": lambda: nn.GroupNorm(4, CHANNELS, affine=False),
    "instance norm": lambda: nn.InstanceNorm2d(CHANNELS, affine=True),
    "layer norm": lambda: nn.LayerNorm([CHANNELS, 6, 6]),
    "RMS norm": lambda: nn.RMSNorm([CHANNELS, 6, 6]),
}

WAYS: dict[str, dict[str, Any]] = {
    "float32": {},
    "channels last": {"channels_last": True},
    "bfloat16": {"dtype": "bf16"},
    "autocast": {"amp": "bf16"},
}


def convolved(build: Callable[[], nn.Module]) -> nn.Module:
    """A convolution before the layer, so that the layer has gradients to give back."""
    return nn.Sequential(nn.Conv2d(3, CHANNELS, 3, padding=1), build(), nn.ReLU())


def check(build: Callable[[], nn.Module], **arguments: Any) -> None:
    cost = measure(lambda: convolved(build), inputs=IMAGE, measured=True, **arguments)
    assert cost.executed == "meta"
    if cost.measured.device == "cpu":
        assert cost.memory == cost.measured.memory


# The kernel of a CPU fills a buffer for backward in inference too, that of CUDA has none, as counted
BUFFERED = {"LogSigmoid"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "mode"), [(n, m) for n in FUNCTIONS for m in ("infer", "train") if m == "train" or n not in BUFFERED]
)
def test_an_activation_function(name: str, way: str, mode: str) -> None:
    check(FUNCTIONS[name], mode=mode, **WAYS[way])


# Kernels of a CPU keep the statistics of halves in halves, those of CUDA in float32, as counted
OF_HALVES_ALONE = {("layer norm", "bfloat16")}
# Until 2.13, PyTorch copies a channels-last image to the default format for group norm on every device but a CPU
GROUPED = {("group norm", "channels last"), ("group norm without affine", "channels last")}
COPIED = GROUPED if RELEASE < (2, 14) else set()


@pytest.mark.parametrize("mode", ["infer", "train"])
@pytest.mark.parametrize(
    ("name", "way"), [(n, w) for n in NORMS for w in WAYS if (n, w) not in OF_HALVES_ALONE | COPIED]
)
def test_a_norm(name: str, way: str, mode: str) -> None:
    check(NORMS[name], mode=mode, **WAYS[way])
