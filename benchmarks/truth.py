"""What each model costs, by hand: multiply-adds of its convolutions, matrix products and attention.

Every formula follows the paper that describes the network, layer by layer, and uses none of the code that is
measured. Biases, norms, activations and element-wise arithmetic are not multiply-adds.
"""

from __future__ import annotations


def _halved(size: int) -> int:
    """The side of a picture after a stride of two with "same" padding."""
    return (size + 1) // 2


def resnet50(batch: int = 1, res: int = 224) -> int:
    """He et al. 2015, table 1, with the stride in the 3x3 convolution (torchvision's "v1.5")."""
    side = _halved(res)
    macs = side**2 * 7 * 7 * 3 * 64
    side, channels = _halved(side), 64  # the max pooling
    for stage, (width, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
        for block in range(blocks):
            inside, side = side, _halved(side) if stage and not block else side
            macs += inside**2 * channels * width + side**2 * (9 * width * width + width * 4 * width)
            if not block:
                macs += side**2 * channels * 4 * width  # the projection beside it
            channels = 4 * width
    return batch * (macs + 2048 * 1000)


def transformer_layer(tokens: int, width: int, seen: int) -> int:
    """Vaswani et al. 2017: four projections, two products of attention, and a feed-forward of four times the width."""
    return tokens * (4 * width * width + 2 * seen * width + 8 * width * width)


def vit_b_16(batch: int = 1, res: int = 224) -> int:
    """Dosovitskiy et al. 2020, table 1: 12 layers of width 768 on patches of 16 pixels and one class token."""
    patches = (res // 16) ** 2
    return batch * (patches * 3 * 16 * 16 * 768 + 12 * transformer_layer(patches + 1, 768, patches + 1) + 768 * 1000)


def swin_t(batch: int = 1, res: int = 224) -> int:
    """Liu et al. 2021, section 3 and equation 2: windows of 7x7, C = 96. For sizes that windows divide."""
    side, width = res // 4, 96
    macs = side**2 * 3 * 4 * 4 * width
    for stage, blocks in enumerate([2, 2, 6, 2]):
        if stage:
            side, width = side // 2, width * 2
            macs += side**2 * (2 * width) * width  # four neighbours of half the width merge into one
        macs += blocks * transformer_layer(side**2, width, 7 * 7)
    return batch * (macs + width * 1000)


def efficientnet_b0(batch: int = 1, res: int = 224) -> int:
    """Tan and Le 2019, table 1; squeeze-and-excitation to a quarter of the block's input channels."""
    side, channels = _halved(res), 32
    macs = side**2 * 3 * 3 * 3 * channels
    stages = [(1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3)]
    stages += [(6, 5, 2, 192, 4), (6, 3, 1, 320, 1)]
    for expansion, kernel, stride, out, blocks in stages:
        for block in range(blocks):
            wide = channels * expansion
            macs += side**2 * channels * wide if expansion > 1 else 0
            side = _halved(side) if stride == 2 and not block else side
            macs += side**2 * kernel * kernel * wide  # depthwise
            macs += 2 * wide * (channels // 4)
            macs += side**2 * wide * out
            channels = out
    return batch * (macs + side**2 * 320 * 1280 + 1280 * 1000)


def lstm(batch: int = 1, seq: int = 128) -> int:
    """Hochreiter and Schmidhuber 1997, with forget gates: four gates of (input + hidden) x hidden; two layers."""
    return batch * seq * (4 * 512 * (256 + 512) + 4 * 512 * (512 + 512) + 512 * 256)


def gpt2(batch: int = 1, seq: int = 128) -> int:
    """Radford et al. 2019, the small model: 12 layers of width 768, and a head of 50,257 words. Attention in full."""
    return batch * (12 * transformer_layer(seq, 768, seq) + seq * 768 * 50257)


def unet(batch: int = 1, res: int = 224) -> int:
    """Ronneberger et al. 2015, figure 1, padded and half as wide: two 3x3 convolutions a level, 32 to 512 channels."""
    widths = [32, 64, 128, 256, 512]
    macs, channels = 0, 3
    for level, width in enumerate(widths):
        pixels = (res >> level) ** 2
        macs += pixels * 9 * (channels * width + width * width)
        channels = width
    for level in (3, 2, 1, 0):
        pixels, width = (res >> level) ** 2, widths[level]
        macs += pixels * 2 * width * width  # upwards: each pixel is made of one pixel below
        macs += pixels * 9 * (2 * width * width + width * width)
    return batch * (macs + res**2 * 32 * 2)
