"""Small models that run on any device: between them they call every class of operators that a calibration fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn


class Small(NamedTuple):
    """A model and where it runs: ``build`` makes it, ``shape`` is that of its input beside the batch."""

    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    batches: tuple[int, ...]


def _convolutions(kernel: int, channels: int, groups: int = 1) -> nn.Module:
    def block() -> list[nn.Module]:
        inside = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=groups, bias=False)
        return [inside, nn.BatchNorm2d(channels), nn.ReLU()]

    return nn.Sequential(nn.Conv2d(3, channels, 3, stride=2, padding=1), *(one for _ in range(4) for one in block()))


class _Inverted(nn.Module):
    """Blocks of a mobile network: pointwise, depthwise, pointwise, with a gate."""

    def __init__(self, channels: int, wide: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 4, stride=4)
        self.wide = nn.ModuleList(nn.Conv2d(channels, wide, 1) for _ in range(3))
        self.depth = nn.ModuleList(nn.Conv2d(wide, wide, 3, padding=1, groups=wide) for _ in range(3))
        self.narrow = nn.ModuleList(nn.Conv2d(wide, channels, 1) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for wide, depth, narrow in zip(self.wide, self.depth, self.narrow, strict=True):
            inside = F.silu(depth(F.silu(wide(x))))
            x = x + narrow(inside * inside.mean((2, 3), keepdim=True).sigmoid())
        return F.max_pool2d(x, 2)


class _Transformer(nn.Module):
    """Blocks of a transformer, whose attention is fused or written out."""

    def __init__(self, width: int, heads: int, *, fused: bool) -> None:
        super().__init__()
        self.width, self.heads, self.fused = width, heads, fused
        self.project = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(3))
        self.out = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
        self.up = nn.ModuleList(nn.Linear(width, 4 * width) for _ in range(3))
        self.down = nn.ModuleList(nn.Linear(4 * width, width) for _ in range(3))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size, length, width = x.shape
        for project, out, up, down in zip(self.project, self.out, self.up, self.down, strict=True):
            parts = project(self.norm(x)).view(size, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
            query, key, value = parts.unbind(0)
            if self.fused:
                seen = F.scaled_dot_product_attention(query, key, value)
            else:
                seen = (query @ key.transpose(-2, -1) / (width // self.heads) ** 0.5).softmax(-1) @ value
            x = x + out(seen.transpose(1, 2).reshape(size, length, width))
            x = x + down(F.gelu(up(self.norm(x))))
        return x


class _Moves(nn.Module):
    """Element-wise work, copies and reductions alone."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(64, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            x = F.gelu(x * self.scale + 1)
            x = torch.cat([x[:, 32:], x[:, :32]], 1)
            x = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2).contiguous()
        return x.mean((2, 3))


SMALL = (
    Small("3 x 3 convolutions", lambda: _convolutions(3, 64), (3, 64, 64), (1, 4, 16)),
    Small("5 x 5 convolutions", lambda: _convolutions(5, 32), (3, 64, 64), (1, 8)),
    Small("grouped convolutions", lambda: _convolutions(3, 128, groups=4), (3, 64, 64), (1, 8)),
    Small("pointwise convolutions", lambda: _convolutions(1, 128), (3, 64, 64), (1, 8)),
    Small("inverted bottlenecks", lambda: _Inverted(32, 128), (3, 96, 96), (1, 4, 16)),
    Small("transformer", lambda: _Transformer(256, 4, fused=True), (128, 256), (1, 4, 16)),
    Small("written attention", lambda: _Transformer(192, 3, fused=False), (196, 192), (1, 8)),
    Small("perceptron", lambda: nn.Sequential(nn.Linear(1024, 2048), nn.ReLU(), nn.Linear(2048, 1024)), (1024,),
          (8, 64, 512)),
    Small("moves", _Moves, (64, 48, 48), (1, 8)),
)  # fmt: skip
