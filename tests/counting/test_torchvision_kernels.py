"""The kernels that stand in for torchvision's own in these tests, and what a deformable convolution costs."""

from __future__ import annotations

import pytest
import torch
import torchvision_kernels
from one_attempt import attempt
from torch import nn
from torchvision.ops import DeformConv2d


class Deformed(nn.Module):
    """A 3x2 deformable convolution in two groups, its offsets and masks predicted by plain convolutions."""

    def __init__(self):
        super().__init__()
        self.offset = nn.Conv2d(6, 2 * 3 * 2, (3, 2))
        self.mask = nn.Conv2d(6, 3 * 2, (3, 2))
        self.deformed = DeformConv2d(6, 8, (3, 2), groups=2)

    def forward(self, x):
        return self.deformed(x, self.offset(x), self.mask(x).sigmoid())


@pytest.mark.parametrize("real", [False, True], ids=["meta", "real"])
def test_deformable_convolution(real):
    """It costs what the convolution costs: for each output, 6 / 2 channels of 3x2 taps. Sampling is free."""
    outputs = 2 * (9 - 2) * (11 - 1)  # batch 2, 9x11 pixels, no padding
    cost = attempt(Deformed, real=real, grad=False, inputs=[(2, 6, 9, 11)])
    assert cost.by_module()["deformed"].macs == outputs * 8 * (6 // 2 * 3 * 2)
    assert cost.macs == outputs * (8 * (6 // 2 * 3 * 2) + (12 + 6) * (6 * 3 * 2))
    assert cost.activations == outputs * (8 + 12 + 6)
    assert cost.uncounted == {}


class TestKernels:
    """The kernels that stand in for torchvision's, by what is known of their results."""

    def test_nms(self):
        """Of two boxes that share 4 of 4.2 the better one stays; the third, alone, stays after it."""
        boxes = torch.tensor([[0, 0, 2, 2], [0, 0, 2, 2.1], [5, 5, 6, 6]])
        kept = torchvision_kernels.nms(boxes, torch.tensor([0.1, 0.9, 0.5]), 0.5)
        assert kept.tolist() == [1, 2]

    @pytest.mark.parametrize("sampling_ratio", [2, 0])
    def test_roi_align_of_a_slope(self, sampling_ratio):
        """On a slope the mean of a bin is the value at its middle: bins of 2x3 pixels from (1, 2) on."""
        slope = (10 * torch.arange(16.0)[:, None] + torch.arange(16.0)).expand(2, 1, 16, 16)
        regions = torch.tensor([[1, 2, 1, 2 + 3 * 3, 1 + 2 * 2]]).float()
        pooled = torchvision_kernels.roi_align(slope, regions, 1.0, 2, 3, sampling_ratio, False)
        middles = [[10 * y + x for x in (3.5, 6.5, 9.5)] for y in (2.0, 4.0)]
        torch.testing.assert_close(pooled, torch.tensor([[middles]]))

    def test_deform_conv2d_without_offsets(self):
        """Offsets of zero leave a convolution; of one, a convolution of the picture moved by one."""
        image, weight, bias = torch.randn(2, 6, 9, 11), torch.randn(8, 3, 3, 2), torch.randn(8)
        whole = torch.nn.functional.pad(image, (0, 1, 0, 1))
        for step in (0, 1):
            offset = torch.full((2, 2 * 2 * 6, 7, 10), float(step))
            moved = whole[:, :, step : step + 9, step : step + 11]
            plain = torch.nn.functional.conv2d(moved, weight, bias, groups=2)
            mask = torch.full((2, 2 * 6, 7, 10), 1.0)
            ours = torchvision_kernels.deform_conv2d(image, weight, offset, mask, bias, 1, 1, 0, 0, 1, 1, 2, 2, True)
            torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-4)
