"""The five networks of the study, and two that show what goes wrong. Those of torchvision are theirs, unchanged."""

from __future__ import annotations

import torch
from torch import nn
from torchvision import models


class Twice(nn.Sequential):
    """Two 3 x 3 convolutions with their norms."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
        )  # fmt: skip


class UNet(nn.Module):
    """O. Ronneberger, P. Fischer, T. Brox, "U-Net", MICCAI 2015, four levels down, with padding and norms."""

    def __init__(self, widths: tuple[int, ...] = (64, 128, 256, 512, 1024), classes: int = 21) -> None:
        super().__init__()
        self.down = nn.ModuleList(Twice(a, b) for a, b in zip((3, *widths), widths, strict=False))
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1]))
        self.up = nn.ModuleList(Twice(2 * w, w) for w in reversed(widths[:-1]))
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        kept = []
        for level, block in enumerate(self.down):
            image = block(self.pool(image) if level else image)
            kept.append(image)
        for enlarge, block in zip(self.enlarge, self.up, strict=True):
            kept.pop()
            image = block(torch.cat([kept[-1], enlarge(image)], 1))
            kept[-1] = image
        return self.head(image)


def vit_b_16(res: int) -> nn.Module:
    """ViT-B/16 built for one resolution: it has a position embedding for every patch of it, and takes no other."""
    return models.vit_b_16(image_size=res)


class Flattened(nn.Module):
    """ResNet-18 whose head sees every pixel of the last map, as AlexNet's and VGG's did, instead of their mean."""

    def __init__(self, res: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(*list(models.resnet18().children())[:-2], nn.Flatten())
        self.head = nn.Linear(512 * (-(-res // 32)) ** 2, 1000)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.trunk(image))


STUDIED = {
    "ResNet-50": models.resnet50,
    "MobileNet-v3": models.mobilenet_v3_large,
    "ViT-B/16": vit_b_16,
    "Swin-T": models.swin_t,
    "U-Net": UNet,
}
