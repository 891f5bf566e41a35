"""The layout of tensors on the meta device: what it is, and new meta tensors of a given one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch

META = torch.device("meta")
_STRIDED = torch.strided
_empty_strided = torch.empty_strided


def meta_like(tensor: torch.Tensor) -> torch.Tensor:
    """An empty meta tensor with the size, layout, strides and dtype of any tensor."""
    if tensor.layout == torch.sparse_coo:  # empty_like would store no elements
        parts = (meta_like(tensor._indices()), meta_like(tensor._values()))
        return torch.sparse_coo_tensor(*parts, tensor.shape, is_coalesced=tensor.is_coalesced())
    if tensor.layout == torch.jagged:  # `to` moves its offsets as well, in every release
        return torch.empty_like(tensor.detach().to(META))
    if tensor.layout != torch.strided or tensor.is_quantized:
        return torch.empty_like(tensor, device=META)
    return torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device=META)


# -- what the layout of a tensor is ------------------------------------------------------------------------------------


@lru_cache(maxsize=1 << 12)
def row_major_strides(size: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a new contiguous tensor of that size."""
    strides: list[int] = []
    step = 1
    for length in reversed(size):
        strides.append(step)
        step *= max(length, 1)
    return tuple(reversed(strides))


@lru_cache(maxsize=1 << 12)
def _channels_last_strides(size: tuple[int, ...]) -> tuple[int, ...] | None:
    """The strides of a channels-last image of that size; ``None`` where they fit another memory format as well."""
    if len(size) != 4 or min(size) < 2:
        return None
    _, channels, height, width = size
    return (channels * height * width, 1, channels * width, channels)


def suggested_memory_format(tensor: torch.Tensor) -> torch.memory_format:
    """The memory format that the strides of a tensor are in the order of: ``suggest_memory_format`` of ATen.

    Its rule is ``is_channels_last_strides_2d`` of ``c10/core/MemoryFormat.h``. Before 2.12 the rule of the same name in
    Python takes a dimension of one element for a longer one.
    """
    size, stride = tensor.shape, tensor.stride()
    if len(size) not in (4, 5) or stride[1] == 0 or 0 in size:
        return torch.contiguous_format
    least = 0
    for dim in (1, *range(len(size) - 1, 1, -1), 0):
        if stride[dim] < least or (dim == 0 and least == stride[1]):
            return torch.contiguous_format
        least = stride[dim] * size[dim]
    return torch.channels_last if len(size) == 4 else torch.channels_last_3d


@lru_cache(maxsize=1 << 12)
def _elementwise_strides(size: tuple[int, ...], stride: tuple[int, ...]) -> tuple[int, ...] | None:
    """The strides of an element-wise result: the order of dimensions in memory is kept, and gaps are closed.

    ``None`` where strides do not tell that order: some dimension has size 1, or two have equal strides.
    """
    if stride == row_major_strides(size):
        return stride
    if not size or min(size) < 2 or min(stride) < 1 or len(set(stride)) < len(stride):
        return None
    strides = [0] * len(size)
    step = 1
    for i in sorted(range(len(size)), key=stride.__getitem__):
        strides[i] = step
        step *= size[i]
    return tuple(strides)


@contextmanager
def as_a_card_lays_out(*, active: bool) -> Iterator[None]:
    """Let convolutions of channels-last inputs return channels-last outputs inside, as those of cuDNN do."""
    global _AS_A_CARD
    before, _AS_A_CARD = _AS_A_CARD, active
    try:
        yield
    finally:
        _AS_A_CARD = before


def lays_out_as_a_card() -> bool:
    """Whether `as_a_card_lays_out` is active."""
    return _AS_A_CARD


_AS_A_CARD = False


def is_strided_meta(tensor: torch.Tensor) -> bool:
    """Whether a tensor is on the meta device and has one size and strides, so that it is neither sparse nor nested."""
    return tensor.is_meta and tensor.layout is _STRIDED and not tensor.is_nested


def is_row_major(tensor: torch.Tensor) -> bool:
    """Whether a tensor has the strides of a new contiguous one.

    ``Tensor.is_contiguous`` is weaker: it accepts any stride of a dimension of size 1.
    """
    return tensor.stride() == row_major_strides(tensor.shape)


def has_memory_format(tensor: torch.Tensor) -> bool:
    """Whether a tensor is row-major, or a channels-last image."""
    stride = tensor.stride()
    return stride == row_major_strides(tensor.shape) or stride == _channels_last_strides(tensor.shape)


def extent(tensor: torch.Tensor) -> int:
    """The elements of memory from the first element of a tensor to its last."""
    if tensor.numel() == 0:
        return 0
    return 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))


def is_absent_or(tensor: torch.Tensor | None, size: tuple[int, ...], dtype: torch.dtype) -> bool:
    """Whether an optional weight or bias is ``None``, or has exactly that size and dtype."""
    return tensor is None or (is_strided_meta(tensor) and tensor.shape == size and tensor.dtype is dtype)


# -- new tensors -------------------------------------------------------------------------------------------------------


def empty(size: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """A new contiguous meta tensor."""
    return _empty_strided(size, row_major_strides(size), dtype=dtype, device=META)


def empty_like(tensor: torch.Tensor, dtype: torch.dtype | None = None) -> Any:
    """A new meta tensor in the memory format of another; ``NotImplemented`` if `has_memory_format` is false for it."""
    size, stride = tensor.shape, tensor.stride()
    if stride != row_major_strides(size) and stride != _channels_last_strides(size):
        return NotImplemented
    return _empty_strided(size, stride, dtype=dtype or tensor.dtype, device=META)


def empty_elementwise(tensor: torch.Tensor, dtype: torch.dtype | None = None) -> Any:
    """A new meta tensor as an element-wise operator over ``tensor`` returns it; ``NotImplemented`` if in doubt."""
    size = tensor.shape
    stride = _elementwise_strides(size, tensor.stride())
    if stride is None:
        return NotImplemented
    return _empty_strided(size, stride, dtype=dtype or tensor.dtype, device=META)


def broadcast_shapes(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...] | None:
    """The size that two sizes broadcast to; ``None`` if they do not, or if a dimension of it is empty."""
    if len(one) < len(other):
        one, other = other, one
    size = list(one)
    offset = len(one) - len(other)
    for i, length in enumerate(other, offset):
        if size[i] != length:
            if size[i] == 1:
                size[i] = length
            elif length != 1:
                return None
    return None if 0 in size else tuple(size)
