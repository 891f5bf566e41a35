"""Random networks: meta or real, with autograd or without, and PyTorch's own counter agree to the digit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import torch
import torch.nn.functional as F
from four_ways import WAYS
from hypothesis import HealthCheck, given, note, settings
from one_attempt import attempt
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pytest_modelbudget import Cost

BATCH = 2


class Residual(nn.Module):
    """``x + f(f(x))``: the layer inside is called twice."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inside(self.inside(x))


class Branches(nn.Module):
    """Two convolutions of the same input, next to each other."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, channels, 1)
        self.three = nn.Conv2d(channels, 4, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.one(x), F.relu(self.three(x))], 1)


class Tokens(nn.Module):
    """An image as a sequence of its pixels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """Self-attention, by the module or by the function, whole or causal."""

    def __init__(self, width: int, weights: bool, causal: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.qkv = nn.Linear(width, 3 * width)
        self.weights = weights
        self.causal = causal

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.causal:
            return self.attention(x, x, x, need_weights=self.weights)[0]
        q, k, v = self.qkv(x).unflatten(-1, (3, 4, -1)).permute(2, 0, 3, 1, 4)
        return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)


class Recurrent(nn.Module):
    """The outputs of a recurrent layer."""

    def __init__(self, kind: str, width: int, layers: int, both: bool) -> None:
        super().__init__()
        self.layer = getattr(nn, kind)(width, width // (2 if both else 1), layers, bidirectional=both, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)[0]


class Mixing(nn.Module):
    """Tokens mixed by a matrix of their own, as an einsum or a product."""

    def __init__(self, tokens: int, form: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(tokens, tokens))
        self.form = form

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight @ x if self.form == "@" else torch.einsum(self.form, x, self.weight)


class Gated(nn.Module):
    """Two inputs multiplied by a third-order tensor."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bilinear = nn.Bilinear(width, width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bilinear(x, x)


class Fourier(nn.Module):
    """Mixing by a Fourier transform over tokens and features."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.fft.fft2(x).real


NOT_IN_TORCH = (Gated, Fourier)
"""What ``FlopCounterMode`` counts as nothing."""


@st.composite
def image_layers(draw: Any, channels: int, height: int, width: int) -> tuple[Any, tuple[int, int, int]]:
    """How to make one layer for an image, and the size of what it gives."""
    kind = draw(st.sampled_from(["conv", "transposed", "norm", "pool", "resize", "residual", "branches", "act"]))
    size = (channels, height, width)
    if kind == "conv":
        out, kernel, stride = (
            draw(st.sampled_from([4, 8])),
            draw(st.sampled_from([1, 3, (1, 3)])),
            draw(st.integers(1, 2)),
        )
        groups, mode = draw(st.sampled_from([1, 2, 4])), draw(st.sampled_from(["zeros", "circular"]))
        padding = tuple(k // 2 for k in kernel) if isinstance(kernel, tuple) else kernel // 2
        options = {"stride": stride, "padding": padding, "groups": groups, "padding_mode": mode}
        return lambda: nn.Conv2d(channels, out, kernel, **options), (out, -(-height // stride), -(-width // stride))
    if kind == "transposed" and height <= 8:
        groups = draw(st.sampled_from([1, 2]))
        return lambda: nn.ConvTranspose2d(channels, 4, 2, stride=2, groups=groups), (4, 2 * height, 2 * width)
    if kind == "norm":
        norm = draw(st.sampled_from([
            lambda: nn.BatchNorm2d(channels), lambda: nn.BatchNorm2d(channels, affine=False),
            lambda: nn.GroupNorm(2, channels), lambda: nn.InstanceNorm2d(channels, track_running_stats=True),
            lambda: nn.SyncBatchNorm(channels),
        ]))  # fmt: skip
        return norm, size
    if kind == "pool":
        side = draw(st.integers(1, 4))
        pool = draw(st.sampled_from([nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d]))
        return lambda: pool(side), (channels, side, side)
    if kind == "resize":
        mode, side = draw(st.sampled_from(["nearest", "bilinear", "bicubic", "area"])), draw(st.integers(1, 9))
        return lambda: Resize(side, mode), (channels, side, side)
    if kind == "residual":
        return lambda: Residual(nn.Conv2d(channels, channels, 3, padding=1)), size
    if kind == "branches":
        return lambda: Branches(channels), (channels + 4, height, width)
    return draw(st.sampled_from([nn.GELU, nn.ReLU, nn.Dropout, nn.Softmax2d])), size


class Resize(nn.Module):
    def __init__(self, side: int, mode: str) -> None:
        super().__init__()
        self.side, self.mode = side, mode

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x, size=self.side, mode=self.mode)


@st.composite
def token_layers(draw: Any, tokens: int, width: int) -> tuple[Any, int]:
    """How to make one layer for a sequence, and how many features it gives."""
    kind = draw(
        st.sampled_from(["linear", "norm", "attend", "recur", "mix", "residual", "encoder", "gated", "fourier"])
    )
    if kind == "linear":
        out, bias = draw(st.sampled_from([4, 8, 12])), draw(st.booleans())
        return lambda: nn.Linear(width, out, bias=bias), out
    if kind == "norm":
        norm = draw(st.sampled_from([nn.LayerNorm, nn.RMSNorm, nn.Identity]))
        return lambda: norm(width), width
    if kind == "attend":
        weights, causal = draw(st.booleans()), draw(st.booleans())
        return lambda: Attention(width, weights, causal), width
    if kind == "recur":
        name, layers, both = draw(st.sampled_from(["LSTM", "GRU", "RNN"])), draw(st.integers(1, 2)), draw(st.booleans())
        return lambda: Recurrent(name, width, layers, both), width
    if kind == "mix":
        form = draw(st.sampled_from(["bld,lm->bmd", "...ld,ml->...md", "@"]))
        return lambda: Mixing(tokens, form), width
    if kind == "residual":
        return lambda: Residual(nn.Linear(width, width)), width
    if kind == "encoder":
        first = draw(st.booleans())
        return lambda: nn.TransformerEncoderLayer(width, 4, 2 * width, norm_first=first, batch_first=True), width
    return (Fourier if kind == "fourier" else lambda: Gated(width)), width


@st.composite
def networks(draw: Any) -> tuple[list[Any], tuple[int, int, int, int]]:
    """How to make a network of layers for images, then for tokens, and the shape of its input.

    A number in place of a layer is that of an earlier one: the same module again, under another name.
    """
    size = channels, height, width = draw(st.sampled_from([4, 8])), draw(st.integers(4, 9)), draw(st.integers(4, 9))
    makers: list[Any] = []
    keeping: dict[Any, int] = {}  # the layer that keeps an input of this size
    for _ in range(draw(st.integers(0, 5))):
        before = size
        make, size = draw(image_layers(*size))
        if size == before:
            earlier = keeping.setdefault(size, len(makers))
            makers.append(earlier if earlier < len(makers) and draw(st.booleans()) else make)
        else:
            makers.append(make)
    tokens, features = size[1] * size[2], size[0]
    makers.append(Tokens)
    for _ in range(draw(st.integers(0, 4))):
        make, features = draw(token_layers(tokens, features))
        makers.append(make)
    return makers, (BATCH, channels, height, width)


def network(makers: list[Any]) -> nn.Module:
    layers: list[nn.Module] = []
    for make in makers:
        layers.append(layers[make] if isinstance(make, int) else make())
    return nn.Sequential(*layers)


BOUNDED = settings(max_examples=160, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


def counted(cost: Cost) -> tuple[Any, ...]:
    """Everything that may not depend on how a network was run. Autograd keeps more alive, and takes kernels apart."""
    rows = {name: replace(row, memory=0, operators={}) for name, row in cost.by_module().items()}
    return cost.flops, cost.macs, cost.activations, cost.params, cost.weights, rows, cost.uncounted


@BOUNDED
@given(networks())
def test_a_network_costs_the_same_however_it_runs(drawn: Any) -> None:
    makers, shape = drawn
    note(f"{network(makers)} of {shape}")
    costs = {way: attempt(lambda: network(makers), inputs=[shape], **options) for way, options in WAYS.items()}
    expected = counted(costs["meta"])
    assert costs["meta"].uncounted == {}
    for way, cost in costs.items():
        assert counted(cost) == expected, way


@BOUNDED
@given(networks())
def test_a_network_costs_what_pytorch_counts_on_meta(drawn: Any) -> None:
    """On meta no kernel is fused, so ``FlopCounterMode`` sees every product there is a formula for."""
    makers, shape = drawn
    cost = attempt(lambda: network(makers), inputs=[shape], real=False, grad=False, convention="torch")
    with torch.device("meta"):
        model, x = network(makers).eval(), torch.empty(shape)
    note(f"{model} of {shape}")
    counter = FlopCounterMode(display=False)
    with counter:
        model(x)
    if any(isinstance(module, NOT_IN_TORCH) for module in model.modules()):
        assert cost.flops > counter.get_total_flops()
    else:
        assert cost.flops == counter.get_total_flops()
