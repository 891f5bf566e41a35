"""Convolutions, interpolation and norms against counts derived by hand, in every way they can run."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from four_ways import Case, calls, each, each_way, free, module
from torch import nn

# Each output element of a convolution is a sum over C/groups channels and the kernel.
CONVOLUTION = [
    module("Conv1d", lambda: nn.Conv1d(4, 6, 3), (2, 4, 10), macs=2 * 6 * 8 * 4 * 3, activations=2 * 6 * 8),
    module("Conv2d", lambda: nn.Conv2d(3, 6, 3), (2, 3, 9, 11), macs=2 * 6 * 7 * 9 * 3 * 9, activations=2 * 6 * 7 * 9),
    module("Conv3d", lambda: nn.Conv3d(3, 4, 2), (2, 3, 4, 5, 6),
           macs=2 * 4 * (3 * 4 * 5) * 3 * 8, activations=2 * 4 * 3 * 4 * 5),
    # floor((11 + 2·1 - 3) / 2) + 1 = 6 and, for 9, 5
    module("stride", lambda: nn.Conv2d(3, 6, 3, stride=2, padding=1), (2, 3, 9, 11),
           macs=2 * 6 * 5 * 6 * 3 * 9, activations=2 * 6 * 5 * 6),
    # a dilated kernel of 3 spans 5: 10 - 4 = 6
    module("dilation", lambda: nn.Conv1d(4, 6, 3, dilation=2), (2, 4, 10),
           macs=2 * 6 * 6 * 4 * 3, activations=2 * 6 * 6),
    module("groups", lambda: nn.Conv2d(4, 6, 3, groups=2), (2, 4, 8, 8),
           macs=2 * 6 * 6 * 6 * (4 // 2) * 9, activations=2 * 6 * 6 * 6),
    module("depthwise", lambda: nn.Conv2d(4, 8, 3, groups=4), (2, 4, 8, 8),
           macs=2 * 8 * 6 * 6 * 1 * 9, activations=2 * 8 * 6 * 6),
    module("pointwise", lambda: nn.Conv2d(4, 8, 1, bias=False), (2, 4, 8, 8),
           macs=2 * 8 * 8 * 8 * 4, activations=2 * 8 * 8 * 8),
    module("same", lambda: nn.Conv2d(3, 6, 3, padding="same"), (2, 3, 9, 11),
           macs=2 * 6 * 9 * 11 * 3 * 9, activations=2 * 6 * 9 * 11),
    module("same, even kernel", lambda: nn.Conv1d(3, 6, 4, padding="same"), (2, 3, 10),
           macs=2 * 6 * 10 * 3 * 4, activations=2 * 6 * 10),
    module("valid", lambda: nn.Conv1d(3, 6, 4, padding="valid"), (2, 3, 10),
           macs=2 * 6 * 7 * 3 * 4, activations=2 * 6 * 7),
    *(
        module(mode, lambda mode=mode: nn.Conv2d(3, 6, 3, padding=1, padding_mode=mode), (2, 3, 9, 11),
               macs=2 * 6 * 9 * 11 * 3 * 9, activations=2 * 6 * 9 * 11)
        for mode in ("circular", "reflect", "replicate")
    ),
    module("unbatched", lambda: nn.Conv2d(3, 6, 3), (3, 9, 11), macs=6 * 7 * 9 * 3 * 9, activations=6 * 7 * 9),
    module("no batch", lambda: nn.Conv2d(3, 6, 3), (0, 3, 9, 11), macs=0, activations=0),
    module("bf16", lambda: nn.Conv2d(3, 6, 3, dtype=torch.bfloat16), (2, 3, 9, 11),
           macs=2 * 6 * 7 * 9 * 3 * 9, activations=2 * 6 * 7 * 9),
    module("channels last", lambda: nn.Conv2d(3, 6, 3).to(memory_format=torch.channels_last), (2, 3, 9, 11),
           macs=2 * 6 * 7 * 9 * 3 * 9, activations=2 * 6 * 7 * 9),
    calls("F.conv2d", F.conv2d, [(2, 3, 9, 11), (6, 3, 3, 3)], macs=2 * 6 * 7 * 9 * 3 * 9, activations=2 * 6 * 7 * 9),
    calls("aten::convolution", lambda x, w: torch.convolution(x, w, None, [1], [0], [1], False, [0], 1),
          [(2, 4, 10), (6, 4, 3)], macs=2 * 6 * 8 * 4 * 3, activations=2 * 6 * 8),
    # time first: (T, B, C) with a weight (kernel, C, O)
    calls("conv_tbc", lambda x, w, b: torch.conv_tbc(x, w, b, 1), [(10, 2, 4), (3, 4, 6), (6,)],
          macs=10 * 2 * 6 * 4 * 3, activations=10 * 2 * 6),
    # unfold moves data; the product is (6, 27) by (27, 7·9)
    calls("as a product of unfolded patches", lambda x, w: w @ F.unfold(x, 3), [(2, 3, 9, 11), (6, 27)],
          macs=2 * 6 * 27 * 63, activations=2 * 6 * 63),
    # the filters are made by a network: a linear layer (8 -> 5·3·9), then one group for each of 2 samples
    calls("dynamic filters",
          lambda x, z, w: F.conv2d(x.flatten(0, 1)[None], F.linear(z, w).view(10, 3, 3, 3), groups=2),
          [(2, 3, 8, 8), (2, 8), (5 * 27, 8)],
          macs=2 * 8 * 135 + 2 * 5 * 36 * 27, activations=2 * 135 + 2 * 5 * 36),
    # PyTorch computes a complex convolution as three real ones
    module("complex", lambda: nn.Conv1d(4, 6, 3, dtype=torch.complex64), torch.ones(2, 4, 10, dtype=torch.complex64),
           macs=3 * 2 * 6 * 8 * 4 * 3, activations=3 * 2 * 6 * 8),
]  # fmt: skip

# Each input element of a transposed convolution meets O/groups channels and the kernel, whatever the stride.
TRANSPOSED = [
    module("ConvTranspose1d", lambda: nn.ConvTranspose1d(4, 6, 3), (2, 4, 10),
           macs=2 * 4 * 10 * 6 * 3, activations=2 * 6 * 12),
    # (9 - 1)·2 - 2·1 + 3 = 17 and, for 11, 21
    module("ConvTranspose2d", lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1), (2, 4, 9, 11),
           macs=2 * 4 * 9 * 11 * 6 * 9, activations=2 * 6 * 17 * 21),
    module("output_padding", lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1), (2, 4, 9, 11),
           macs=2 * 4 * 9 * 11 * 6 * 9, activations=2 * 6 * 18 * 22),
    module("transposed groups", lambda: nn.ConvTranspose2d(4, 6, 3, groups=2), (2, 4, 8, 8),
           macs=2 * 4 * 8 * 8 * (6 // 2) * 9, activations=2 * 6 * 10 * 10),
    module("ConvTranspose3d", lambda: nn.ConvTranspose3d(3, 4, 2), (2, 3, 4, 5, 6),
           macs=2 * 3 * (4 * 5 * 6) * 4 * 8, activations=2 * 4 * 5 * 6 * 7),
    module("transposed unbatched", lambda: nn.ConvTranspose1d(4, 6, 3, dilation=2), (4, 10),
           macs=4 * 10 * 6 * 3, activations=6 * 14),
    module("transposed complex", lambda: nn.ConvTranspose1d(4, 6, 3, dtype=torch.complex64),
           torch.ones(2, 4, 10, dtype=torch.complex64), macs=3 * 2 * 4 * 10 * 6 * 3, activations=3 * 2 * 6 * 12),
]  # fmt: skip


def normalised(function: Any) -> Any:
    """Call an instance norm that is not of ``torch.nn``."""
    return lambda x, weight=None, bias=None: function(x, weight, bias, None, None, True, 0.1, 1e-5, False)


# fvcore: 5 an element with an affine transformation and 4 without; batch norm in eval 2, and 1 without.
NORM = [
    free("BatchNorm1d", lambda: nn.BatchNorm1d(6), (4, 6), flops=2 * 4 * 6),
    free("BatchNorm1d of sequences", lambda: nn.BatchNorm1d(6), (4, 6, 5), flops=2 * 4 * 6 * 5),
    free("BatchNorm2d", lambda: nn.BatchNorm2d(6), (2, 6, 4, 5), flops=2 * 2 * 6 * 4 * 5),
    free("BatchNorm3d", lambda: nn.BatchNorm3d(6), (2, 6, 3, 4, 5), flops=2 * 2 * 6 * 3 * 4 * 5),
    free("BatchNorm2d, not affine", lambda: nn.BatchNorm2d(6, affine=False), (2, 6, 4, 5), flops=2 * 6 * 4 * 5),
    # without running statistics it computes those of the batch, also in eval
    free("BatchNorm2d, no statistics", lambda: nn.BatchNorm2d(6, track_running_stats=False), (2, 6, 4, 5),
         flops=5 * 2 * 6 * 4 * 5),
    free("SyncBatchNorm", lambda: nn.SyncBatchNorm(6), (2, 6, 4, 5), flops=2 * 2 * 6 * 4 * 5),
    free("LayerNorm", lambda: nn.LayerNorm(6), (2, 4, 6), flops=5 * 2 * 4 * 6),
    free("LayerNorm of two dimensions", lambda: nn.LayerNorm((4, 6)), (2, 4, 6), flops=5 * 2 * 4 * 6),
    free("LayerNorm, not affine", lambda: nn.LayerNorm(6, elementwise_affine=False), (2, 4, 6), flops=4 * 2 * 4 * 6),
    free("GroupNorm", lambda: nn.GroupNorm(3, 6), (2, 6, 4, 5), flops=5 * 2 * 6 * 4 * 5),
    free("GroupNorm, not affine", lambda: nn.GroupNorm(3, 6, affine=False), (2, 6, 4, 5), flops=4 * 2 * 6 * 4 * 5),
    free("InstanceNorm1d", lambda: nn.InstanceNorm1d(6), (2, 6, 5), flops=4 * 2 * 6 * 5),
    free("InstanceNorm2d", lambda: nn.InstanceNorm2d(6), (2, 6, 4, 5), flops=4 * 2 * 6 * 4 * 5),
    free("InstanceNorm2d, affine", lambda: nn.InstanceNorm2d(6, affine=True), (2, 6, 4, 5), flops=5 * 2 * 6 * 4 * 5),
    free("InstanceNorm2d, statistics", lambda: nn.InstanceNorm2d(6, track_running_stats=True), (2, 6, 4, 5),
         flops=4 * 2 * 6 * 4 * 5),
    free("InstanceNorm3d, both", lambda: nn.InstanceNorm3d(6, affine=True, track_running_stats=True), (2, 6, 3, 4, 5),
         flops=5 * 2 * 6 * 3 * 4 * 5),
    calls("torch.instance_norm", normalised(torch.instance_norm), [(2, 6, 5)],
          macs=0, activations=0, flops=4 * 2 * 6 * 5),
    calls("torch.instance_norm, affine", normalised(torch.instance_norm), [(2, 6, 5), (6,), (6,)],
          macs=0, activations=0, flops=5 * 2 * 6 * 5),
    calls("aten::instance_norm, affine", normalised(torch.ops.aten.instance_norm), [(2, 6, 5), (6,), (6,)],
          macs=0, activations=0, flops=5 * 2 * 6 * 5),
    free("InstanceNorm unbatched", lambda: nn.InstanceNorm1d(6), (6, 5), flops=4 * 6 * 5),
    free("RMSNorm", lambda: nn.RMSNorm(6), (2, 4, 6)),
    free("LocalResponseNorm", lambda: nn.LocalResponseNorm(2), (2, 6, 4, 5)),
]  # fmt: skip


def pool(function: Any) -> Any:
    """Build a module that calls a function with nothing but its input."""

    class Pool(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            return function(x)

    return Pool


IMAGE = (2, 3, 8, 8)

# fvcore counts one for each input element of 2-D adaptive average pooling, and of no other.
POOLING = [
    free("AdaptiveAvgPool2d(1)", lambda: nn.AdaptiveAvgPool2d(1), IMAGE, flops=2 * 3 * 8 * 8),
    free("AdaptiveAvgPool2d(7)", lambda: nn.AdaptiveAvgPool2d(7), IMAGE, flops=2 * 3 * 8 * 8),
    free("AdaptiveAvgPool2d unbatched", lambda: nn.AdaptiveAvgPool2d((1, None)), (3, 8, 8), flops=3 * 8 * 8),
    free("F.adaptive_avg_pool2d", pool(lambda x: F.adaptive_avg_pool2d(input=x, output_size=1)), IMAGE,
         flops=2 * 3 * 8 * 8),
    free("aten::adaptive_avg_pool2d", pool(lambda x: torch.ops.aten.adaptive_avg_pool2d(x, [1, 1])), IMAGE,
         flops=2 * 3 * 8 * 8),
    free("aten::adaptive_avg_pool2d.default", pool(lambda x: torch.ops.aten.adaptive_avg_pool2d.default(x, [1, 1])),
         IMAGE, flops=2 * 3 * 8 * 8),
    free("AdaptiveAvgPool2d under vmap", pool(torch.func.vmap(lambda x: F.adaptive_avg_pool2d(x, 1))), IMAGE,
         flops=2 * 3 * 8 * 8),
    free("AdaptiveAvgPool1d(1)", lambda: nn.AdaptiveAvgPool1d(1), (2, 3, 8)),
    free("AdaptiveAvgPool1d(3)", lambda: nn.AdaptiveAvgPool1d(3), (2, 3, 8)),
    free("AdaptiveAvgPool3d(1)", lambda: nn.AdaptiveAvgPool3d(1), (2, 3, 4, 4, 4)),
    free("mean", pool(lambda x: x.mean((2, 3))), IMAGE),
    free("AvgPool2d", lambda: nn.AvgPool2d(2), IMAGE),
    free("MaxPool2d", lambda: nn.MaxPool2d(2), IMAGE),
    free("MaxPool1d", lambda: nn.MaxPool1d(2), (2, 3, 8)),
    free("AdaptiveMaxPool2d", lambda: nn.AdaptiveMaxPool2d(2), IMAGE),
    free("LPPool2d", lambda: nn.LPPool2d(2, 2), IMAGE),
    free("FractionalMaxPool2d", lambda: nn.FractionalMaxPool2d(2, output_size=4), IMAGE),
]  # fmt: skip

# Taps of each output element: 1 nearest, 2 by dimension for linear, 4 by dimension for cubic.
UP1, UP2, UP3 = 2 * 3 * 16, 2 * 3 * 16 * 16, 2 * 3 * 8 * 8 * 8
INTERPOLATION = [
    free("nearest 1D", lambda: nn.Upsample(scale_factor=2), (2, 3, 8), flops=UP1),
    free("nearest 2D", lambda: nn.Upsample(scale_factor=2), IMAGE, flops=UP2),
    free("nearest 3D", lambda: nn.Upsample(scale_factor=2), (2, 3, 4, 4, 4), flops=UP3),
    free("nearest-exact", lambda: nn.Upsample(scale_factor=2, mode="nearest-exact"), IMAGE, flops=UP2),
    free("linear", lambda: nn.Upsample(scale_factor=2, mode="linear"), (2, 3, 8), flops=2 * UP1),
    free("bilinear", lambda: nn.Upsample(scale_factor=2, mode="bilinear"), IMAGE, flops=4 * UP2),
    free("bilinear to a size", lambda: nn.Upsample((5, 7), mode="bilinear", align_corners=True), IMAGE,
         flops=4 * 2 * 3 * 5 * 7),
    free("bilinear, antialias", pool(lambda x: F.interpolate(x, (4, 4), mode="bilinear", antialias=True)), IMAGE,
         flops=4 * 2 * 3 * 4 * 4),
    free("trilinear", lambda: nn.Upsample(scale_factor=2, mode="trilinear"), (2, 3, 4, 4, 4), flops=8 * UP3),
    free("bicubic", lambda: nn.Upsample(scale_factor=2, mode="bicubic"), IMAGE, flops=16 * UP2),
    # area is adaptive average pooling: in 2-D one for each input element, else nothing
    free("area 1D", pool(lambda x: F.interpolate(x, 4, mode="area")), (2, 3, 8)),
    free("area 2D", pool(lambda x: F.interpolate(x, 4, mode="area")), IMAGE, flops=2 * 3 * 8 * 8),
    free("area to a pixel", pool(lambda x: F.interpolate(x, size=1, mode="area")), IMAGE, flops=2 * 3 * 8 * 8),
    free("area 3D", pool(lambda x: F.interpolate(x, 2, mode="area")), (2, 3, 4, 4, 4)),
    free("PixelShuffle", lambda: nn.PixelShuffle(2), (2, 4, 8, 8)),
    # four taps for each output element, whatever the mode
    Case("grid_sample", pool(lambda x: F.grid_sample(x, x.new_zeros(2, 5, 7, 2), align_corners=False)), [IMAGE],
         macs=0, activations=0, flops=4 * 2 * 3 * 5 * 7),
    Case("grid_sample 3D", pool(lambda x: F.grid_sample(x, x.new_zeros(2, 5, 6, 7, 3), align_corners=False)),
         [(2, 3, 4, 4, 4)], macs=0, activations=0, flops=4 * 2 * 3 * 5 * 6 * 7),
    # a spatial transformer: the grid is a product, N·H·W points of 2·3 multiply-adds
    Case("affine_grid and grid_sample", pool(lambda x: F.grid_sample(x, F.affine_grid(
        x.new_zeros(2, 2, 3), [2, 3, 5, 7], align_corners=False), align_corners=False)), [IMAGE],
         macs=2 * 5 * 7 * 6, activations=2 * 5 * 7 * 2, flops=2 * 5 * 7 * 6 + 4 * 2 * 3 * 5 * 7),
]  # fmt: skip


CASES = [*CONVOLUTION, *TRANSPOSED, *NORM, *POOLING, *INTERPOLATION]


@each_way(CASES)
def test_an_image_operator_costs_the_same_however_it_runs(case: Case, way: str) -> None:
    case.check(way)


@each(CASES)
def test_a_multiply_add_is_two_flops_for_torch(case: Case) -> None:
    case.check_torch_convention()
