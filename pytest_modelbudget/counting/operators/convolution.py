"""Convolutions: plain, transposed, grouped, deformable, in one to three dimensions."""

from __future__ import annotations

import math
from typing import Any

from .count import Count, multiply_adds
from .registry import formula, numel


def _convolution(positions: int, weight: Any, out: Any) -> Count:
    """Each of ``positions`` takes one multiply-add for each element of ``weight[0]``, the taps of one filter.

    PyTorch computes a complex convolution as three real ones (ATen/native/Convolution.cpp, complex_convolution).
    """
    real = 3 if weight.dtype.is_complex else 1
    return multiply_adds(positions * math.prod(weight.shape[1:]) * real, numel(out) * real)


@formula(
    "conv1d", "conv2d", "conv3d", "_convolution_mode", "thnn_conv2d", "_slow_conv2d_forward", "slow_conv3d",
    "slow_conv3d_forward", "slow_conv_dilated2d", "slow_conv_dilated3d", "_conv_depthwise2d", "conv_depthwise3d",
    "cudnn_convolution", "cudnn_convolution_relu", "cudnn_convolution_add_relu", "mkldnn_convolution",
    "miopen_convolution", "miopen_convolution_relu", "miopen_convolution_add_relu", "miopen_depthwise_convolution",
    "_nnpack_spatial_convolution", "_mps_convolution", "torchvision::deform_conv2d",
)  # fmt: skip
def conv_flop(input: Any, weight: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """Output ``(N, O, *space)``, weight ``(O, C / groups, *kernel)``: C/groups · kernel for each output element.

    As `conv_flop_count` in ``torch.utils.flop_counter`` and ``fvcore.nn.jit_handles``. The sampling of a
    deformable convolution is interpolation at learned positions, which neither counts.
    """
    return _convolution(numel(out), weight, out)


@formula(
    "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "slow_conv_transpose2d", "slow_conv_transpose3d",
    "cudnn_convolution_transpose", "miopen_convolution_transpose", "_mps_convolution_transpose",
)  # fmt: skip
def conv_transpose_flop(input: Any, weight: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """Input ``(N, C, *space)``, weight ``(C, O / groups, *kernel)``: O/groups · kernel for each input element."""
    return _convolution(input.numel(), weight, out)


@formula("convolution", "_convolution", "convolution_overrideable")
def convolution_flop(
    input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, *rest: Any,
    out: Any, **kwargs: Any,
) -> Count:  # fmt: skip
    """The general operator: plain or transposed by its flag."""
    return _convolution(input.numel() if transposed else numel(out), weight, out)


@formula("convolution_backward")
def convolution_backward_flop(
    grad: Any, input: Any, weight: Any, bias_sizes: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int, output_mask: Any, *, out: Any,
) -> Count:  # fmt: skip
    """The gradient of the input, and that of the weight, each take as many multiply-adds as the forward pass.

    ``torch.utils.flop_counter`` counts ``groups`` times as many for the gradient of a grouped weight, as if the
    weight were full. Its convention is the number that it gives, so the count of that convention does so too.
    """
    forward = _convolution(input.numel() if transposed else grad.numel(), weight, grad)
    wanted = [tensor for tensor, asked in zip((input, weight), output_mask, strict=False) if asked]
    real = 3 if weight.dtype.is_complex else 1
    count = multiply_adds(forward.macs * len(wanted), sum(tensor.numel() for tensor in wanted) * real)
    of_full_weight = 2 * forward.macs * (groups - 1) if output_mask[1] else 0
    return count._replace(torch=count.torch + of_full_weight)


@formula("conv_tbc")
def conv_tbc_flop(self: Any, weight: Any, bias: Any, pad: int = 0, *, out: Any) -> Count:
    """Time-first convolution: weight ``(kernel, C, O)``, kernel·C for each output element."""
    return multiply_adds(numel(out) * weight.shape[0] * weight.shape[1], numel(out))
