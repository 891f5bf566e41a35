"""What looks at photographs of parts: a U-Net that outlines defects, and a small network that says whether to look."""

import torch
from torch import nn


class Block(nn.Sequential):
    """Two convolutions, each normalised."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class Up(nn.Module):
    """Twice the resolution, joined with what was seen there on the way down."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.grow = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
        self.block = Block(2 * outputs, outputs)

    def forward(self, x, seen):
        return self.block(torch.cat([self.grow(x), seen], dim=1))


class Context(nn.Module):
    """Adds what is far away, seen at three distances."""

    def __init__(self, channels: int):
        super().__init__()
        self.views = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=distance, dilation=distance) for distance in (1, 2, 4)
        )

    def forward(self, x):
        return x + sum(view(x) for view in self.views)


class UNet(nn.Module):
    """Outlines defects of four kinds."""

    def __init__(self):
        super().__init__()
        self.halve = nn.MaxPool2d(2)
        self.down1 = Block(3, 16)
        self.down2 = Block(16, 32)
        self.down3 = Block(32, 64)
        self.middle = Block(64, 128)
        self.context = Context(128)
        self.up3 = Up(128, 64)
        self.up2 = Up(64, 32)
        self.up1 = Up(32, 16)
        self.head = nn.Conv2d(16, 4, 3, padding=1)

    def forward(self, image):
        first = self.down1(image)
        second = self.down2(self.halve(first))
        third = self.down3(self.halve(second))
        x = self.context(self.middle(self.halve(third)))
        x = self.up3(x, third)
        x = self.up2(x, second)
        return self.head(self.up1(x, first))


class Triage(nn.Module):
    """Says whether a photograph is worth a closer look."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.body = Block(16, 32)
        self.head = nn.Linear(32, 2)

    def forward(self, image):
        return self.head(self.body(self.stem(image)).mean(dim=(2, 3)))
