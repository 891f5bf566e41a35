"""Outputs of a network's layers on meta: products, convolutions, norms, attention, and what joins them.

Rules as in `pointwise`: an output, or `NotImplemented` where the case is not a plain one. Convolutions, products,
``batch_norm`` outside training, padding-free copies and joins need no memory beyond their outputs. ``layer_norm`` and
``group_norm`` have also a mean and a deviation for each row, which are gone when they return, and
``scaled_dot_product_attention`` has, unless it is fused, its score matrix.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch

from .layout import broadcast, is_plain, is_row_major, like, new, row_major
from .pointwise import FLOATING, Rule, entries

_FULL = frozenset({torch.float32, torch.float64})  # norms keep their statistics in these whatever they are given
_CHANNELS_LAST = torch.channels_last


def _fits(tensor: torch.Tensor | None, size: tuple[int, ...], dtype: torch.dtype) -> bool:
    """Whether a weight or bias is left out, or has exactly that size and dtype."""
    return tensor is None or (is_plain(tensor) and tensor.shape == size and tensor.dtype is dtype)


def _linear(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> Any:
    """``(..., K)`` and a weight ``(N, K)`` make ``(..., N)``."""
    if not is_plain(input) or not is_plain(weight):
        return NotImplemented
    dtype, size = input.dtype, input.shape
    if dtype not in FLOATING or weight.dtype is not dtype:
        return NotImplemented
    if len(size) < 2 or weight.dim() != 2 or not input.is_contiguous() or 0 in size or 0 in weight.shape:
        return NotImplemented
    outputs, inputs = weight.shape
    if size[-1] != inputs or not _fits(bias, (outputs,), dtype):
        return NotImplemented
    return new((*size[:-1], outputs), dtype)


def _product(self: torch.Tensor, mat2: torch.Tensor) -> Any:
    """``(M, K)`` and ``(K, N)`` make ``(M, N)``; so do stacks of as many of each."""
    if not is_plain(self) or not is_plain(mat2):
        return NotImplemented
    one, other, dtype = self.shape, mat2.shape, self.dtype
    if dtype not in FLOATING or mat2.dtype is not dtype:
        return NotImplemented
    if len(one) != len(other) or one[:-2] != other[:-2] or one[-1] != other[-2] or 0 in one or 0 in other:
        return NotImplemented
    return new((*one[:-1], other[-1]), dtype)


def _mm(self: torch.Tensor, mat2: torch.Tensor) -> Any:
    return _product(self, mat2) if self.dim() == 2 else NotImplemented


def _bmm(self: torch.Tensor, mat2: torch.Tensor) -> Any:
    return _product(self, mat2) if self.dim() == 3 else NotImplemented


def _addmm(self: torch.Tensor, mat1: torch.Tensor, mat2: torch.Tensor, *, beta: Any = 1, alpha: Any = 1) -> Any:
    if mat1.dim() != 2 or not is_plain(mat2) or not _fits(self, mat2.shape[1:], mat1.dtype) or not is_row_major(self):
        return NotImplemented
    return _mm(mat1, mat2)


def _matmul(self: torch.Tensor, other: torch.Tensor) -> Any:
    """Matrices, and stacks that PyTorch can multiply without copying them first."""
    if not is_plain(self) or not is_plain(other) or self.dim() < 2 or other.dim() < 2:
        return NotImplemented
    if other.dim() == 2 and self.dim() > 2:
        return _linear(self, other.t()) if is_row_major(self) else NotImplemented
    if not (_folds(self) and _folds(other)):
        return NotImplemented
    return _product(self, other)


def _folds(stack: torch.Tensor) -> bool:
    """Whether the dimensions before the matrices are one in memory."""
    size, stride = stack.shape, stack.stride()
    return all(stride[i] == stride[j] * size[j] for i, j in pairwise(range(len(size) - 2)))


def _for_each(option: Any, sides: int) -> Any:
    """One number for each side of an image, where one is given for all."""
    return option * sides if len(option) == 1 else option


def _convolution(
    input: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = (1,),
    padding: Any = (0,),
    dilation: Any = (1,),
    groups: int = 1,
) -> Any:
    """``(N, C, *sides)`` and ``(M, C/groups, *kernel)`` make ``(N, M, *sides)``, as `torch.nn.Conv2d` says."""
    if not is_plain(input) or not is_plain(weight):
        return NotImplemented
    size, kernel, dtype = input.shape, weight.shape, input.dtype
    if dtype not in FLOATING or weight.dtype is not dtype:
        return NotImplemented
    rank = len(size)
    if rank < 3 or rank != len(kernel) or 0 in size or 0 in kernel or input.stride() != row_major(size):
        return NotImplemented
    images, channels, *sides = size
    outputs, taken, *taps = kernel
    if rank > 3 and (channels == 1 or max(sides) == 1):  # the strides of a channels-last image as well
        return NotImplemented
    if groups < 1 or channels != taken * groups or outputs % groups or not _fits(bias, (outputs,), dtype):
        return NotImplemented
    if isinstance(padding, str) or min(stride) < 1 or min(dilation) < 1 or min(padding) < 0:
        return NotImplemented
    if not len(padding) == len(stride) == len(dilation) == rank - 2:
        padding, stride, dilation = (_for_each(option, rank - 2) for option in (padding, stride, dilation))
    for i in range(rank - 2):
        sides[i] = (sides[i] + 2 * padding[i] - dilation[i] * (taps[i] - 1) - 1) // stride[i] + 1
    if min(sides) < 1:
        return NotImplemented
    return new((images, outputs, *sides), dtype)


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


def _batch_norm(
    input: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    training: bool,
    *options: Any,
) -> Any:
    """As its input. In training it also makes statistics that it does not return: PyTorch is asked."""
    if training or running_mean is None or running_var is None:
        return NotImplemented
    return _normalised(input, weight, bias, running_mean, running_var)


def _normalised(input: torch.Tensor, *per_channel: torch.Tensor | None) -> Any:
    if not is_plain(input):
        return NotImplemented
    size, dtype = input.shape, input.dtype
    if dtype not in FLOATING or len(size) < 2 or 0 in size:
        return NotImplemented
    channels = (size[1],)
    for tensor in per_channel:
        if not _fits(tensor, channels, dtype):
            return NotImplemented
    return like(input)


def _native_batch_norm(
    input: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    training: bool,
    *options: Any,
) -> Any:
    """``(output, mean, deviation)``: the last two one a channel when training, else empty.

    So the kernels of CPU and CUDA have it; on meta PyTorch says one a channel for both.
    """
    if not is_plain(input) or (not training and (running_mean is None or running_var is None)):
        return NotImplemented
    if input.dtype not in _FULL:
        return NotImplemented if training else _half_batch_norm(input, weight, bias, running_mean, running_var)
    if training and input.numel() <= input.shape[1]:  # one value has no deviation
        return NotImplemented
    output = _normalised(input, weight, bias, running_mean, running_var)
    if output is NotImplemented:
        return NotImplemented
    channels = input.shape[1:2] if training else (0,)
    return output, new(channels, input.dtype), new(channels, input.dtype)


def _half_batch_norm(input: torch.Tensor, *per_channel: torch.Tensor | None) -> Any:
    """Outside training, in half precision: weights and statistics may be in float32, as autocast has them."""
    output = _normalised(input, *per_channel)
    if output is NotImplemented and all(_fits(t, input.shape[1:2], torch.float32) for t in per_channel):
        output = _normalised(input)
    return output if output is NotImplemented else (output, new((0,), torch.float32), new((0,), torch.float32))


def _native_batch_norm_backward(
    grad_out: torch.Tensor, input: torch.Tensor, weight: torch.Tensor | None, *rest: Any
) -> Any:
    """Gradients of input, weight and bias, of those that ``output_mask`` asks for. On meta PyTorch gives all three."""
    mask = rest[-1]
    if not is_plain(input) or not is_plain(grad_out):
        return NotImplemented
    if grad_out.shape != input.shape or grad_out.stride() != input.stride() or grad_out.dtype is not input.dtype:
        return NotImplemented
    if input.dtype not in _FULL or weight is None:
        return NotImplemented
    first = _normalised(input, weight)
    if first is NotImplemented:
        return NotImplemented
    found = (first, new(weight.shape, weight.dtype), new(weight.shape, weight.dtype))
    return tuple(tensor if asked else None for tensor, asked in zip(found, mask, strict=True))


def _layer_norm(
    input: torch.Tensor,
    normalized_shape: Any,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    *options: Any,
) -> Any:
    """The size of its input, contiguous."""
    if not is_plain(input):
        return NotImplemented
    size, dtype, normalized = input.shape, input.dtype, tuple(normalized_shape)
    if dtype not in FLOATING or 0 in size or not normalized:
        return NotImplemented
    if not is_row_major(input) and input.is_contiguous():  # with strides of its own where the size is 1
        return NotImplemented
    if size[-len(normalized) :] != normalized or not _fits(weight, normalized, dtype):
        return NotImplemented
    return new(size, dtype) if _fits(bias, normalized, dtype) else NotImplemented


def _native_layer_norm(
    input: torch.Tensor, normalized_shape: Any, weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float
) -> Any:
    """``(output, mean, deviation)``: the last two with sizes 1 where it normalises."""
    output = _layer_norm(input, normalized_shape, weight, bias) if input.dtype in _FULL else NotImplemented
    if output is NotImplemented:
        return NotImplemented
    count = len(normalized_shape)
    size = (*input.shape[:-count], *(1,) * count)
    return output, new(size, input.dtype), new(size, input.dtype)


def layer_norm_beside(
    input: torch.Tensor,
    normalized_shape: Any,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    *options: Any,
) -> Any:
    """``layer_norm``, and the bytes of the mean and of the deviation that it has while it runs."""
    output = _layer_norm(input, normalized_shape, weight, bias) if input.dtype in _FULL else NotImplemented
    if output is NotImplemented:
        return NotImplemented
    rows = math.prod(input.shape[: -len(normalized_shape)]) * input.dtype.itemsize
    return output, rows, rows


def matmul_beside(self: torch.Tensor, other: torch.Tensor) -> Any:
    """``matmul`` of two stacks of as many matrices, and the bytes of the copies of those that do not fold."""
    if self.dim() < 3 or 1 in self.shape[:-2]:  # with sizes of 1, strides do not tell what folds
        return NotImplemented
    output = _product(self, other)
    if output is NotImplemented:
        return NotImplemented
    return output, *(stack.nbytes for stack in (self, other) if not _folds(stack))


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
    if weight is None or bias is None or not all(output_mask) or input.dtype not in _FULL:
        return NotImplemented
    if not is_plain(input) or not is_plain(grad_out) or not is_row_major(grad_out):
        return NotImplemented
    if grad_out.shape != input.shape or grad_out.dtype is not input.dtype or not is_row_major(input):
        return NotImplemented
    first = _layer_norm(input, normalized_shape, weight, bias)
    if first is NotImplemented:
        return NotImplemented
    return first, new(weight.shape, weight.dtype), new(bias.shape, bias.dtype)


def _group_norm(
    input: torch.Tensor,
    num_groups: int,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    *options: Any,
) -> Any:
    """As its input."""
    if (
        not is_plain(input)
        or input.dim() < 2
        or num_groups < 1
        or input.shape[1] % num_groups
        or not is_row_major(input)
    ):
        return NotImplemented
    if input.dim() > 3 and (input.shape[1] == 1 or max(input.shape[2:]) == 1):
        return NotImplemented
    return _normalised(input, weight, bias)


def _adaptive_avg_pool2d(self: torch.Tensor, output_size: Any) -> Any:
    """The last two sizes become ``output_size``."""
    if not is_plain(self) or self.dtype not in FLOATING or self.dim() != 4 or not is_row_major(self):
        return NotImplemented
    size = self.shape
    if 0 in size:
        return NotImplemented
    if size[1] == 1 or max(size[2:]) == 1 or len(output_size) != 2 or min(output_size) < 1:
        return NotImplemented
    return new((*size[:2], *output_size), self.dtype)


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """``(..., L, E)``, ``(..., S, E)`` and ``(..., S, V)`` make ``(..., L, V)``."""
    if not all(is_plain(t) and t.dtype is query.dtype for t in (query, key, value)):
        return NotImplemented
    q, k, v, dtype = query.shape, key.shape, value.shape, query.dtype
    if len(q) != 4 or q[:2] != k[:2] or k[:3] != v[:3] or q[3] != k[3] or dropout_p or dtype not in FLOATING:
        return NotImplemented
    return NotImplemented if attn_mask is not None or 0 in (*q, *k, *v) else new((*q[:3], v[3]), dtype)


def _cat(tensors: Any, dim: int = 0) -> Any:
    """Sizes add up along ``dim``."""
    first = tensors[0]
    if not is_plain(first):
        return NotImplemented
    dtype, rank, size = first.dtype, len(first.shape), list(first.shape)
    if not -rank <= dim < rank or dtype not in FLOATING:
        return NotImplemented
    dim %= rank
    size[dim] = 0
    for tensor in tensors:
        if not is_plain(tensor) or tensor.dtype is not dtype or not is_row_major(tensor) or tensor.dim() != rank:
            return NotImplemented
        own = tensor.shape
        if 0 in own or (rank > 3 and 1 in own[1:]):
            return NotImplemented
        if own[:dim] != first.shape[:dim] or own[dim + 1 :] != first.shape[dim + 1 :]:
            return NotImplemented
        size[dim] += own[dim]
    return new(tuple(size), dtype)


def _roll(self: torch.Tensor, shifts: Any, dims: Any = ()) -> Any:
    rank = self.dim()
    if not is_plain(self) or not is_row_major(self) or 0 in self.shape or len(shifts) != len(dims):
        return NotImplemented
    return new(self.shape, self.dtype) if all(-rank <= d < rank for d in dims) else NotImplemented


def _loss(self: torch.Tensor, target: torch.Tensor, reduction: int = 1, *options: Any) -> Any:
    """A number, in the memory of as many as there are elements: PyTorch makes those, and resizes (``Loss.cpp``)."""
    if not reduction or not is_plain(self) or not is_plain(target):
        return NotImplemented
    size = broadcast(self.shape, target.shape)
    if size is None or self.dtype not in FLOATING or target.dtype is not self.dtype:
        return NotImplemented
    return new(size, self.dtype).resize_(())


def _dropout(input: torch.Tensor, p: float, train: bool) -> Any:
    """Outside training the input itself."""
    return NotImplemented if train or not is_plain(input) else input


def _contiguous(self: torch.Tensor, *, memory_format: Any = torch.contiguous_format) -> Any:
    """The tensor itself where it is contiguous already, else a copy."""
    if not is_plain(self) or memory_format is not torch.contiguous_format or self.dtype not in FLOATING:
        return NotImplemented
    return self if self.is_contiguous() else new(self.shape, self.dtype)


LAYERS: dict[Any, Rule] = dict(
    [
        *entries(_linear, "linear"),
        *entries(_mm, "mm"),
        *entries(_bmm, "bmm"),
        *entries(_addmm, "addmm"),
        *entries(_matmul, "matmul"),
        *entries(_convolution, "conv1d", "conv2d", "conv3d"),
        *entries(_general_convolution, "convolution"),
        *entries(_batch_norm, "batch_norm"),
        *entries(_native_batch_norm, "native_batch_norm"),
        *entries(_native_batch_norm_backward, "native_batch_norm_backward"),
        *entries(_layer_norm, "layer_norm"),
        *entries(_native_layer_norm, "native_layer_norm"),
        *entries(_native_layer_norm_backward, "native_layer_norm_backward"),
        *entries(_group_norm, "group_norm"),
        *entries(_adaptive_avg_pool2d, "adaptive_avg_pool2d"),
        *entries(_attention, "scaled_dot_product_attention"),
        *entries(_cat, "cat"),
        *entries(_roll, "roll"),
        *entries(_loss, "mse_loss", "smooth_l1_loss"),
        *entries(_dropout, "dropout", "dropout_"),
        *entries(_contiguous, "contiguous"),
    ]
)
"""Operator to rule."""
