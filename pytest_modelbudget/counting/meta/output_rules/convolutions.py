"""Outputs of convolutions, which have no temporaries on the meta device."""

from __future__ import annotations

from typing import Any

import torch

from ..checks import convolution
from ..layout import (
    META,
    empty,
    is_absent_or,
    is_strided_meta,
    lays_out_as_a_card,
    row_major_strides,
    suggested_memory_format,
)
from .registry import FLOATING, output_rule


@output_rule("conv1d", "conv2d", "conv3d")
def _convolution(
    input: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = (1,),
    padding: Any = (0,),
    dilation: Any = (1,),
    groups: int = 1,
) -> Any:
    """``(N, C, *sides)`` and ``(O, C / groups, *kernel)`` make ``(N, O, *sides)``, by the formula of `torch.nn.Conv2d`.

    Channels-last inputs are PyTorch's, as are those whose strides fit both memory formats. Its meta kernel's output is
    row-major; that of the kernels of a card is channels-last, where `as_a_card_lays_out` asks for it.
    """
    if not is_strided_meta(input) or not is_strided_meta(weight):
        return NotImplemented
    size, kernel, dtype = input.shape, weight.shape, input.dtype
    if dtype not in FLOATING or weight.dtype is not dtype:
        return NotImplemented
    rank = len(size)
    if rank < 3 or rank != len(kernel) or 0 in size or 0 in kernel:
        return NotImplemented
    channels_last = input.stride() != row_major_strides(size)
    if channels_last and not (
        lays_out_as_a_card() and rank == 4 and input.is_contiguous(memory_format=torch.channels_last)
    ):
        return NotImplemented
    images, channels, *sides = size
    outputs, taken, *taps = kernel
    if rank > 3 and (channels == 1 or max(sides) == 1):
        return NotImplemented
    if groups < 1 or channels != taken * groups or outputs % groups or not is_absent_or(bias, (outputs,), dtype):
        return NotImplemented
    if isinstance(padding, str) or min(stride) < 1 or min(dilation) < 1 or min(padding) < 0:
        return NotImplemented
    if not len(padding) == len(stride) == len(dilation) == rank - 2:
        padding, stride, dilation = (_for_each_side(option, rank - 2) for option in (padding, stride, dilation))
    for i in range(rank - 2):
        sides[i] = (sides[i] + 2 * padding[i] - dilation[i] * (taps[i] - 1) - 1) // stride[i] + 1
    if min(sides) < 1:
        return NotImplemented
    out = empty((images, outputs, *sides), dtype)
    return out.contiguous(memory_format=torch.channels_last) if channels_last else out


def _for_each_side(option: Any, sides: int) -> Any:
    """One number for each side of an image, where one is given for all."""
    return option * sides if len(option) == 1 else option


@output_rule("convolution")
def _general_convolution(
    input: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> Any:
    if transposed:
        return NotImplemented
    return _convolution(input, weight, bias, stride, padding, dilation, groups)


@output_rule("_convolution")
def _convolution_with_flags(*args: Any) -> Any:
    """What a traced script calls, and PyTorch built with CUDA refuses on the meta device. Its flags choose a kernel."""
    args = args[:9]
    plain = _general_convolution(*args)
    if plain is not NotImplemented or not args[0].is_meta:
        return plain
    convolution(*args)
    return torch.ops.aten.convolution.default(*args)


@output_rule("convolution_backward")
def _convolution_backward(
    grad_output: torch.Tensor, input: torch.Tensor, weight: torch.Tensor, bias_sizes: Any, stride: Any, padding: Any,
    dilation: Any, transposed: bool, output_padding: Any, groups: int, output_mask: Any,
) -> Any:  # fmt: skip
    """Gradients like the input and the weight, both in the memory format of either that is channels-last.

    So kernels return them (``determine_backend_memory_format`` in ``Convolution.cpp``), and meta kernels from 2.12 on.
    """
    if not all(map(is_strided_meta, (grad_output, input, weight))):
        return NotImplemented
    formats = {suggested_memory_format(input), suggested_memory_format(weight)}
    last = next((f for f in (torch.channels_last, torch.channels_last_3d) if f in formats), torch.contiguous_format)
    of_input, of_weight, of_bias = output_mask

    def like(tensor: torch.Tensor) -> torch.Tensor:
        return torch.empty(tensor.size(), dtype=grad_output.dtype, device=META, memory_format=last)

    return (
        like(input) if of_input else None,
        like(weight) if of_weight else None,
        empty(tuple(bias_sizes), grad_output.dtype) if of_bias else None,
    )
