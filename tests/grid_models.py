"""Models whose cost over the batch is hard to foresee, and a few that are not: what grids are tested with."""

from __future__ import annotations

import math

import torch
import torchvision
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel


def gpt():
    return GPT2LMHeadModel(GPT2Config(n_layer=2, n_head=2, n_embd=32, vocab_size=50, n_positions=64))


def backbone():
    return torchvision.models.detection.backbone_utils.resnet_fpn_backbone(backbone_name="resnet18", weights=None)


class UNet(nn.Module):
    """Two levels: it takes what can be halved, and pads nothing."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, padding=1)
        self.deep = nn.Conv2d(8, 8, 3, padding=1)
        self.up = nn.Conv2d(16, 4, 3, padding=1)

    def forward(self, image):
        wide = self.down(image)
        deep = self.deep(nn.functional.max_pool2d(wide, 4))
        return self.up(torch.cat([wide, nn.functional.interpolate(deep, scale_factor=4)], 1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.lstm = nn.LSTM(8, 6, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(12, 11)

    def forward(self, ids):
        return self.head(self.lstm(self.embed(ids))[0])


class Rows(nn.Module):
    """Takes a batch of rows of 8 and does one thing with the batch."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x):
        return self.by_batch(x[:, 0, 0, :8] if x.dim() == 4 else x)


class Mixing(Rows):
    def by_batch(self, x):
        return self.layer(x) @ self.layer(x).T


class Above(Rows):
    limit = 4

    def by_batch(self, x):
        return self.layer(x) if x.shape[0] > self.limit else self.layer(self.layer(x))


class JustAt(Rows):
    limit = 4

    def by_batch(self, x):
        return self.layer(self.layer(x)) if x.size(0) == self.limit else self.layer(x)


class AmongThese(Rows):
    limit = 4

    def by_batch(self, x):
        again = {self.limit: 3}.get(len(x), 1)
        for _ in range(again):
            x = self.layer(x)
        return x


class Chunks(Rows):
    limit = 4

    def by_batch(self, x):
        return torch.cat([self.layer(part) for part in x.split(self.limit)])


class EverySecond(Rows):
    limit = 2

    def by_batch(self, x):
        return self.layer(x[:: self.limit])


class Pairs(Rows):
    limit = 2

    def by_batch(self, x):
        return self.layer(x[: x.shape[0] // self.limit * self.limit])


class AtMost(Rows):
    limit = 4

    def by_batch(self, x):
        return self.layer(x[: self.limit])


class Remainder(Rows):
    limit = 3

    def by_batch(self, x):
        return self.layer(x) if (x.numel() // 8) % self.limit else x


class Padded(Rows):
    limit = 4

    def by_batch(self, x):
        return self.layer(nn.functional.pad(x, (0, 0, 0, -x.shape[0] % self.limit)))


class Rounded(Rows):
    limit = 4

    def by_batch(self, x):
        return self.layer(x[: math.ceil(x.shape[0] / self.limit)])


class Pooled(Rows):
    """The batch as the length of a signal, which is halved."""

    def by_batch(self, x):
        return self.layer(nn.functional.max_pool1d(x.T, 2).T) if x.shape[0] > 1 else x


class WithMemory(Rows):
    """One more row than the batch: a line that does not begin at zero."""

    def by_batch(self, x):
        return self.layer(torch.cat([x, x.new_zeros(5, 8)]))
