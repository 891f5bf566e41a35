"""What torchvision's detection models and deformable convolution compute, where its own kernels do not load."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import grid_sample


def nms(dets, scores, iou_threshold):
    """The best box, then the best of those that overlap no kept box by more than the threshold, and so on."""
    left, top, right, bottom = dets.numpy().T
    area = (right - left) * (bottom - top)
    candidates = scores.argsort(descending=True, stable=True).numpy()
    kept = []
    while len(candidates):
        best, rest = candidates[0], candidates[1:]
        kept.append(best)
        width = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest])
        height = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest])
        common = width.clip(0) * height.clip(0)
        candidates = rest[common <= iou_threshold * (area[best] + area[rest] - common)]
    return torch.tensor(np.array(kept, dtype=np.int64))


def roi_align(input, rois, spatial_scale, pooled_height, pooled_width, sampling_ratio, aligned):
    """The mean of bilinear samples on a regular grid in each bin of each region."""
    out = input.new_empty(len(rois), input.shape[1], pooled_height, pooled_width)
    shift = 0.5 if aligned else 0.0
    for image in range(len(input)):
        of_image = (rois[:, 0] == image).nonzero()[:, 0]
        corners = rois[of_image, 1:] * spatial_scale - shift
        sizes = corners[:, 2:] - corners[:, :2] if aligned else (corners[:, 2:] - corners[:, :2]).clamp(min=1)
        bins = sizes / torch.tensor([pooled_width, pooled_height])
        grids = bins.ceil().clamp(min=1) if sampling_ratio <= 0 else torch.full(bins.shape, sampling_ratio)
        for grid in grids.unique(dim=0):  # regions sampled alike go together
            alike = (grids == grid).all(1)
            x = _samples(corners[alike, 0], bins[alike, 0], pooled_width, int(grid[0]))
            y = _samples(corners[alike, 1], bins[alike, 1], pooled_height, int(grid[1]))
            pooled = _bilinear(input[image], y[:, :, None], x[:, None, :])
            pooled = pooled.unflatten(3, (pooled_width, -1)).unflatten(2, (pooled_height, -1)).mean((3, 5))
            out[of_image[alike]] = pooled.transpose(0, 1)
    return out


def _samples(start, size, bins, each):
    """Where ``bins`` bins of ``size`` from ``start`` on are sampled, ``each`` times: ``(regions, bins * each)``."""
    return start[:, None] + size[:, None] * (torch.arange(bins * each) + 0.5) / each


def _bilinear(image, y, x):
    """Values of ``image`` ``(C, H, W)`` at ``(y, x)``, each broadcasting to ``(N, A, B)``: ``(C, N, A, B)``.

    Points further than one pixel beyond the edge are zero, nearer ones get the edge's value.
    """
    height, width = image.shape[-2:]
    y, x = torch.broadcast_tensors(y, x)
    inside = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    grid = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), -1).flatten(0, 1)[None]
    values = grid_sample(image[None], grid, padding_mode="border", align_corners=False)[0]
    return values.unflatten(1, y.shape[:2]) * inside


def deform_conv2d(
    input, weight, offset, mask, bias, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups,
    offset_groups, use_mask,
):  # fmt: skip
    """A convolution whose every tap is sampled at its own place plus an offset of its own."""
    batch, channels, height, width = input.shape
    kernel_h, kernel_w = weight.shape[2:]
    out_h, out_w = offset.shape[2:]
    offset = offset.reshape(batch * offset_groups, kernel_h, kernel_w, 2, out_h, out_w)
    rows = torch.arange(out_h)[:, None] * stride_h - pad_h
    columns = torch.arange(out_w) * stride_w - pad_w
    taps = []
    for i in range(kernel_h):
        for j in range(kernel_w):
            y = rows + i * dilation_h + offset[:, i, j, 0]
            x = columns + j * dilation_w + offset[:, i, j, 1]
            grid = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), -1)
            grouped = input.reshape(batch * offset_groups, -1, height, width)
            taps.append(grid_sample(grouped, grid, padding_mode="zeros", align_corners=False))
    sampled = torch.stack(taps, 2)  # (batch * offset_groups, channels / offset_groups, taps, out_h, out_w)
    if use_mask:
        sampled = sampled * mask.reshape(batch * offset_groups, 1, len(taps), out_h, out_w)
    sampled = sampled.reshape(batch, groups, channels // groups * len(taps), out_h * out_w)
    filters = weight.reshape(groups, weight.shape[0] // groups, -1)
    return (filters @ sampled).reshape(batch, -1, out_h, out_w) + bias[:, None, None]
