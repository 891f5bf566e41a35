"""Outputs of normalisation and of its gradients.

``batch_norm`` outside training has no temporaries. ``layer_norm`` and ``group_norm`` have a mean and a reciprocal
standard deviation for each row, or group, which are freed when they return.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from ..layout import empty, empty_like, is_absent_or, is_row_major, is_strided_meta, suggested_memory_format
from .registry import FLOATING, output_rule, temporaries_rule

_FULL_PRECISION = frozenset({torch.float32, torch.float64})  # for other dtypes norms keep float32 statistics
_FORMATS = (torch.contiguous_format, torch.channels_last, torch.channels_last_3d)


@output_rule("batch_norm")
def _batch_norm(
    input: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    training: bool,
    *options: Any,
) -> Any:
    """Like the input. In training it has temporary statistics as well, so PyTorch runs it."""
    if training or running_mean is None or running_var is None:
        return NotImplemented
    return _normalized(input, weight, bias, running_mean, running_var)


def _normalized(input: torch.Tensor, *per_channel: torch.Tensor | None) -> Any:
    """A tensor like ``input`` ``(N, C, ...)``, given tensors of one number for each channel."""
    if not is_strided_meta(input):
        return NotImplemented
    size, dtype = input.shape, input.dtype
    if dtype not in FLOATING or len(size) < 2 or 0 in size:
        return NotImplemented
    allowed = (dtype,) if dtype in _FULL_PRECISION else (dtype, torch.float32)  # of halves, as under autocast
    if not any(all(is_absent_or(tensor, size[1:2], one) for tensor in per_channel) for one in allowed):
        return NotImplemented
    if is_row_major(input):
        return empty_like(input)
    # kernels take the first memory format that the input is dense in, else the one that fits its strides best
    dense = (one for one in _FORMATS if input.is_contiguous(memory_format=one))
    return torch.empty_like(input, memory_format=next(dense, None) or suggested_memory_format(input))


@output_rule("native_batch_norm")
def _native_batch_norm(
    input: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    training: bool,
    *options: Any,
) -> Any:
    """``(output, mean, rstd)``: the last two have one number for each channel in training, and none outside of it.

    That is what the kernels of CPU and CUDA return. On the meta device PyTorch returns one for each channel always.
    """
    if not is_strided_meta(input) or (not training and (running_mean is None or running_var is None)):
        return NotImplemented
    if training and input.numel() <= input.shape[1]:  # PyTorch refuses one value for each channel
        return NotImplemented
    given = [tensor for tensor in (weight, bias, running_mean, running_var) if tensor is not None]
    output = _normalized(input, *given)
    if output is NotImplemented:
        return NotImplemented
    channels, kept = input.shape[1:2] if training else (0,), input.dtype
    if kept not in _FULL_PRECISION:
        kept = (given or [input])[0].dtype if training else torch.float32
    return output, empty(channels, kept), empty(channels, kept)


@output_rule("native_batch_norm_backward")
def _native_batch_norm_backward(
    grad_out: torch.Tensor, input: torch.Tensor, weight: torch.Tensor | None, *rest: Any
) -> Any:
    """The gradients of input, weight and bias that ``output_mask`` asks for. On meta PyTorch returns all three."""
    mask = rest[-1]
    if not is_strided_meta(input) or not is_strided_meta(grad_out):
        return NotImplemented
    if grad_out.shape != input.shape or grad_out.dtype is not input.dtype or weight is None:
        return NotImplemented
    if grad_out.stride() != input.stride() and input.dim() > 3:  # an image may have another memory format
        return NotImplemented
    if weight.dtype is not input.dtype and (input.dtype in _FULL_PRECISION or weight.dtype is not torch.float32):
        return NotImplemented
    first = _normalized(input) if is_absent_or(weight, input.shape[1:2], weight.dtype) else NotImplemented
    if first is NotImplemented:
        return NotImplemented
    return _asked_for(first, weight, mask)


def _asked_for(first: torch.Tensor, weight: torch.Tensor, mask: Any) -> tuple[torch.Tensor | None, ...]:
    """The gradients that a mask asks for, of an input, a weight, and a bias like the weight."""
    gradients = (first, empty(weight.shape, weight.dtype), empty(weight.shape, weight.dtype))
    return tuple(gradient if asked else None for gradient, asked in zip(gradients, mask, strict=True))


def _statistics_dtype(dtype: torch.dtype, *affine: torch.Tensor | None) -> torch.dtype | None:
    """The dtype of the statistics of a row or group, as kernels of CPU and CUDA have it: float32 of halves with weights
    in float32, as autocast has them on a CPU. ``None`` where the two differ, of halves alone.
    """
    if dtype in _FULL_PRECISION:
        return dtype
    return torch.float32 if any(t is not None and t.dtype is torch.float32 for t in affine) else None


@output_rule("layer_norm", outputs_only=True)
def _layer_norm(
    input: torch.Tensor,
    normalized_shape: Any,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    *options: Any,
) -> Any:
    """A contiguous tensor of the size of the input."""
    if not is_strided_meta(input):
        return NotImplemented
    size, dtype, normalized = input.shape, input.dtype, tuple(normalized_shape)
    if dtype not in FLOATING or 0 in size or not normalized:
        return NotImplemented
    if not is_row_major(input) and input.is_contiguous():  # other strides in a dimension of size 1
        return NotImplemented
    affine = _statistics_dtype(dtype, weight, bias) or dtype
    if size[-len(normalized) :] != normalized or not is_absent_or(weight, normalized, affine):
        return NotImplemented
    return empty(size, dtype) if is_absent_or(bias, normalized, affine) else NotImplemented


@temporaries_rule("layer_norm")
def _layer_norm_with_statistics(
    input: torch.Tensor,
    normalized_shape: Any,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    *options: Any,
) -> Any:
    """The mean and the reciprocal standard deviation are temporaries of one number for each row."""
    dtype = _statistics_dtype(input.dtype, weight, bias)
    output = _layer_norm(input, normalized_shape, weight, bias)
    if dtype is None or output is NotImplemented:
        return NotImplemented
    statistics = math.prod(input.shape[: -len(normalized_shape)]) * dtype.itemsize
    return output, statistics, statistics


@output_rule("native_layer_norm")
def _native_layer_norm(
    input: torch.Tensor, normalized_shape: Any, weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float
) -> Any:
    """``(output, mean, rstd)``: the last two have size 1 in the normalised dimensions."""
    dtype = _statistics_dtype(input.dtype, weight, bias)
    output = _layer_norm(input, normalized_shape, weight, bias)
    if dtype is None or output is NotImplemented:
        return NotImplemented
    count = len(normalized_shape)
    size = (*input.shape[:-count], *(1,) * count)
    return output, empty(size, dtype), empty(size, dtype)


@output_rule("native_layer_norm_backward")
def _native_layer_norm_backward(
    grad_out: torch.Tensor,
    input: torch.Tensor,
    normalized_shape: Any,
    mean: torch.Tensor,
    rstd: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    output_mask: Any,
) -> Any:
    """The gradients of input, weight and bias, where all three are asked for."""
    if weight is None or bias is None or not all(output_mask) or _statistics_dtype(input.dtype, weight, bias) is None:
        return NotImplemented
    if not is_strided_meta(input) or not is_strided_meta(grad_out) or not is_row_major(grad_out):
        return NotImplemented
    if grad_out.shape != input.shape or grad_out.dtype is not input.dtype or not is_row_major(input):
        return NotImplemented
    first = _layer_norm(input, normalized_shape, weight, bias)
    if first is NotImplemented:
        return NotImplemented
    return first, empty(weight.shape, weight.dtype), empty(bias.shape, bias.dtype)


@output_rule("group_norm", outputs_only=True)
def _group_norm(
    input: torch.Tensor,
    num_groups: int,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    *options: Any,
) -> Any:
    """Like the input."""
    return _grouped(input, num_groups, weight, bias) if is_row_major(input) else NotImplemented


def _grouped(input: torch.Tensor, groups: int, *per_channel: torch.Tensor | None) -> Any:
    """A tensor like ``input``, whose channels fall into ``groups``. What calls a kernel chose the memory format."""
    if not is_strided_meta(input) or input.dim() < 2 or groups < 1 or input.shape[1] % groups:
        return NotImplemented
    if input.dim() > 3 and (input.shape[1] == 1 or max(input.shape[2:]) == 1):  # strides fit both memory formats
        return NotImplemented
    return _normalized(input, *per_channel)


@output_rule("native_group_norm")
def _native_group_norm(
    input: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    samples: int,
    channels: int,
    positions: int,
    groups: int,
    eps: float,
) -> Any:
    """``(output, mean, rstd)``: the last two have one number for each group of each sample."""
    dtype = _statistics_dtype(input.dtype, weight, bias)
    output = _grouped(input, groups, weight, bias)
    if dtype is None or output is NotImplemented:
        return NotImplemented
    return output, empty((samples, groups), dtype), empty((samples, groups), dtype)


@output_rule("native_group_norm_backward")
def _native_group_norm_backward(
    grad_out: torch.Tensor,
    input: torch.Tensor,
    mean: torch.Tensor,
    rstd: torch.Tensor,
    weight: torch.Tensor | None,
    samples: int,
    channels: int,
    positions: int,
    groups: int,
    output_mask: Any,
) -> Any:
    """The gradients of input, weight and bias, which is like the weight, that ``output_mask`` asks for."""
    if weight is None or _statistics_dtype(input.dtype, weight) is None:
        return NotImplemented
    if not is_strided_meta(grad_out) or grad_out.shape != input.shape or grad_out.dtype is not input.dtype:
        return NotImplemented
    if grad_out.stride() != input.stride():
        return NotImplemented
    first = _grouped(input, groups, weight)
    if first is NotImplemented:
        return NotImplemented
    return _asked_for(first, weight, output_mask)
