"""A hundred models whose counts are the same in every release of PyTorch: of its own layers, and of torchvision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from pytest_modelbudget import tensor

Build = Callable[[], nn.Module]


class Model(NamedTuple):
    """How a model is built, its inputs, and how it is measured besides."""

    build: Build
    inputs: Any
    options: dict[str, Any]
    trains: bool


class Calls(nn.Module):
    """A function of tensors, and a layer whose weights it may use."""

    def __init__(self, function: Callable[..., Any], layer: nn.Module | None = None) -> None:
        super().__init__()
        self.function, self.layer = function, layer

    def forward(self, *inputs: Any) -> Any:
        return self.function(*inputs) if self.layer is None else self.function(self.layer, *inputs)


MODELS: dict[str, Model] = {}


def add(name: str, build: Build, *inputs: Any, trains: bool = True, **options: Any) -> None:
    assert name not in MODELS, name
    MODELS[name] = Model(build, [tensor(*i) if isinstance(i, tuple) else i for i in inputs], options, trains)


def calls(name: str, function: Callable[..., Any], *inputs: Any, layer: Build | None = None, **options: Any) -> None:
    build = (lambda: Calls(function)) if layer is None else (lambda: Calls(function, layer()))
    add(name, build, *inputs, trains=layer is not None and options.pop("trains", True), **options)


def image(side: int = 16, channels: int = 8, batch: int = 2) -> tuple[int, ...]:
    return (batch, channels, side, side)


def tokens(seq: int = 12, batch: int = 2) -> Any:
    return tensor(batch, seq, dtype="int64", high=50)


WORDS = (2, 12, 32)  # a batch of sequences of vectors

# Linear layers and products
add("linear", lambda: nn.Linear(32, 24), WORDS)
add("linear without bias", lambda: nn.Linear(32, 24, bias=False), (5, 32))
add("mlp", lambda: nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Dropout(0.1), nn.Linear(64, 8)), WORDS)
add("bilinear", lambda: Calls(lambda layer, a, b: layer(a, b), nn.Bilinear(8, 6, 4)), (3, 8), (3, 6))
calls("bmm", torch.bmm, (4, 5, 6), (4, 6, 7))
calls("einsum", lambda a, b: torch.einsum("bij,bkj->bik", a, b), (2, 3, 4), (2, 5, 4))
calls("matmul, broadcast", torch.matmul, (2, 3, 4, 5), (5, 6))
calls("outer and dot", lambda a, b: torch.outer(a, b) * torch.dot(a, b), (7,), (7,))
calls("cdist", torch.cdist, (4, 9, 5), (4, 7, 5))

# Convolutions
for rank, kind in enumerate((nn.Conv1d, nn.Conv2d, nn.Conv3d), 1):
    add(f"conv{rank}d", lambda kind=kind: kind(8, 12, 3), (2, 8, *[9] * rank))
    add(f"conv{rank}d, strided and padded", lambda kind=kind: kind(8, 12, 3, 2, 1, groups=2), (2, 8, *[9] * rank))
for rank, kind in enumerate((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), 1):
    add(f"conv_transpose{rank}d", lambda kind=kind: kind(8, 12, 3, 2, 1, output_padding=1), (2, 8, *[5] * rank))
add("conv2d, depthwise", lambda: nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), image())
add("conv2d, dilated", lambda: nn.Conv2d(8, 8, 3, padding="same", dilation=2), image())
add("conv2d, reflected", lambda: nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"), image())
add("conv2d, a pointwise one", lambda: nn.Conv2d(8, 16, 1), image())


def residual() -> nn.Module:
    block = nn.Sequential(
        nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8),
    )  # fmt: skip
    return Calls(lambda block, x: F.relu(block(x) + x), block)


def channels_last(build: Build) -> tuple[Build, Callable[[], torch.Tensor]]:
    return (
        lambda: build().to(memory_format=torch.channels_last),
        lambda: torch.zeros(image()).to(memory_format=torch.channels_last),
    )


add("residual block", residual, image())
for name, build in (("conv2d", lambda: nn.Conv2d(8, 12, 3)), ("residual block", residual)):
    made, given = channels_last(build)
    MODELS[f"{name}, channels last"] = Model(made, given, {}, True)

# Norms, activations, pooling, sampling
add("batch_norm", lambda: nn.BatchNorm2d(8), image())
add("layer_norm", lambda: nn.LayerNorm(32), WORDS)
add("group_norm", lambda: nn.GroupNorm(2, 8), image())
add("instance_norm", lambda: nn.InstanceNorm2d(8, affine=True), image())
add("rms_norm", lambda: nn.RMSNorm(32), WORDS, trains=False)
add("local response norm", lambda: nn.LocalResponseNorm(2), image(), trains=False)
for kind in (nn.ReLU, nn.SiLU, nn.Hardswish, nn.Softplus, nn.Mish):
    add(kind.__name__, kind, image(), trains=False)
add("prelu", nn.PReLU, image())
add("glu", lambda: nn.Sequential(nn.Linear(32, 32), nn.GLU()), WORDS)
add("softmax", lambda: nn.Softmax(-1), WORDS, trains=False)
add("max_pool2d", lambda: nn.MaxPool2d(2), image(), trains=False)
add("avg_pool2d", lambda: nn.AvgPool2d(3, 2, 1), image(), trains=False)
add("adaptive_avg_pool1d", lambda: nn.AdaptiveAvgPool1d(2), (2, 8, 9), trains=False)
add("adaptive_avg_pool2d", lambda: nn.AdaptiveAvgPool2d(1), image(), trains=False)
add("adaptive_avg_pool3d", lambda: nn.AdaptiveAvgPool3d(2), (2, 8, 4, 4, 4), trains=False)
add("adaptive_max_pool2d", lambda: nn.AdaptiveMaxPool2d(2), image(), trains=False)
for mode in ("nearest", "bilinear", "bicubic", "area"):
    add(f"interpolate, {mode}", lambda mode=mode: Calls(lambda x: F.interpolate(x, (20, 20), mode=mode)), image(),
        trains=False)  # fmt: skip
calls("grid_sample", lambda x, at: F.grid_sample(x, at, align_corners=False), image(), (2, 5, 5, 2))
add("pixel_shuffle", lambda: nn.Sequential(nn.Conv2d(8, 16, 1), nn.PixelShuffle(2)), image())
calls("unfold and fold", lambda x: F.fold(F.unfold(x, 3), (16, 16), 3), image())

# Sequences
for kind in (nn.LSTM, nn.GRU, nn.RNN):
    add(kind.__name__, lambda kind=kind: kind(12, 16, 2), (7, 3, 12))
    add(f"{kind.__name__}, both ways", lambda kind=kind: kind(12, 16, bidirectional=True, batch_first=True), (3, 7, 12))
add("LSTM, projected", lambda: nn.LSTM(12, 16, proj_size=8), (7, 3, 12))
add("LSTMCell", lambda: nn.LSTMCell(12, 16), (3, 12))
add("GRUCell", lambda: nn.GRUCell(12, 16), (3, 12))
add("embedding", lambda: nn.Embedding(50, 16), tokens())
add("embedding_bag", lambda: nn.EmbeddingBag(50, 16), tokens())
add("language model", lambda: nn.Sequential(nn.Embedding(50, 32), nn.LayerNorm(32), nn.Linear(32, 50)), tokens())

# Attention


def encoder(**options: Any) -> nn.Module:
    return nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, **options)


calls(
    "attention", lambda layer, x: layer(x, x, x)[0], WORDS, layer=lambda: nn.MultiheadAttention(32, 4, batch_first=True)
)
add("encoder layer", encoder, WORDS)
add("encoder layer, norm first", lambda: encoder(norm_first=True), WORDS)
add("decoder layer", lambda: nn.TransformerDecoderLayer(32, 4, 64, batch_first=True), WORDS, (2, 9, 32))
add("transformer", lambda: nn.Transformer(32, 4, 1, 1, 64, batch_first=True), WORDS, (2, 9, 32))
HEADS = (2, 4, 12, 8)
calls("sdpa", F.scaled_dot_product_attention, HEADS, HEADS, HEADS)
calls("sdpa, causal", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), HEADS, HEADS, HEADS)
calls("sdpa, masked", F.scaled_dot_product_attention, HEADS, HEADS, HEADS, (12, 12))
calls("sdpa, grouped", lambda q, k: F.scaled_dot_product_attention(q, k, k, enable_gqa=True), HEADS, (2, 2, 12, 8))
add("encoder layer, mathematics", encoder, WORDS, attention="math")
add("encoder layer, autocast", encoder, WORDS, amp="bf16")
add("encoder layer, autocast of cuda", encoder, WORDS, amp="bf16", device="cuda")
add("residual block, autocast", residual, image(), amp="bf16")
add("linear, half", lambda: nn.Linear(32, 24), WORDS, dtype="bf16")

# Losses
for loss in (F.mse_loss, F.smooth_l1_loss, F.huber_loss):
    calls(loss.__name__, lambda layer, x, loss=loss: loss(layer(x), x), WORDS, layer=lambda: nn.Linear(32, 32))
calls("cross_entropy", lambda layer, x: F.cross_entropy(layer(x.float()).mT, x), tensor(2, 32, dtype="int64", high=2),
      layer=lambda: nn.Unflatten(-1, (32, 1)), trains=False)  # fmt: skip

# Functions of functions
LINEAR: dict[str, Any] = {"layer": lambda: nn.Linear(8, 4), "trains": False}
calls("vmap", lambda layer, x: torch.func.vmap(layer)(x), (3, 5, 8), **LINEAR)
calls("func.grad", lambda layer, x: torch.func.grad(lambda y: layer(y).sum())(x), (5, 8), **LINEAR)
calls("func.vjp", lambda layer, x: torch.func.vjp(layer, x)[1](x.new_ones(5, 4)), (5, 8), **LINEAR)
calls("func.jvp", lambda layer, x: torch.func.jvp(layer, (x,), (x,)), (5, 8), **LINEAR)
calls("func.jacrev", lambda layer, x: torch.func.jacrev(layer)(x), (5, 8), **LINEAR)
calls("func.functionalize", torch.func.functionalize(lambda x: F.adaptive_avg_pool2d(x, 1)), (2, 3, 4, 4))
calls("cond", lambda x: torch.cond(x.sum() > x.numel(), lambda x: x @ x, lambda x: x.mm(x), (x,)), (6, 6))
add("checkpoint", lambda: Calls(lambda block, x: checkpoint(block, x, use_reentrant=False), nn.Sequential(
    nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 32))), WORDS)  # fmt: skip
add("weight_norm", lambda: nn.utils.parametrizations.weight_norm(nn.Linear(32, 24)), WORDS)
add("spectral_norm", lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(32, 24)), WORDS)
calls("fft", lambda x: torch.fft.irfft(torch.fft.rfft(x)), WORDS)
calls("linear algebra", lambda x: torch.linalg.solve(x @ x.mT, torch.linalg.qr(x)[0]), (2, 6, 6))
add("traced", lambda: torch.jit.trace(nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 9, 9)), (2, 3, 9, 9), trains=False)

TORCHVISION = """
    alexnet densenet121 efficientnet_b0 efficientnet_v2_s googlenet inception_v3 mnasnet0_5 mobilenet_v2
    mobilenet_v3_small regnet_y_400mf resnet18 resnet50 resnext50_32x4d shufflenet_v2_x1_0 squeezenet1_1 swin_t
    swin_v2_t vgg11_bn vit_b_16 wide_resnet50_2 convnext_tiny maxvit_t
"""


def add_torchvision() -> None:
    """Add models of torchvision, at the resolution that they are published with."""
    from torchvision import models

    for name in TORCHVISION.split():
        side = 299 if name == "inception_v3" else 224
        add(f"torchvision {name}", lambda name=name: models.get_model(name), (2, 3, side, side))
