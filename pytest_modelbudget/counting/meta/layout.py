"""Meta tensors whose layout leaves no doubt, and new ones like them: what the rules for outputs are made of."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch

from .cache import META

_STRIDED = torch.strided
_empty_strided = torch.empty_strided


@lru_cache(maxsize=1 << 12)
def row_major(size: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a new contiguous tensor of that size."""
    strides: list[int] = []
    step = 1
    for length in reversed(size):
        strides.append(step)
        step *= max(length, 1)
    return tuple(reversed(strides))


@lru_cache(maxsize=1 << 12)
def _channels_last(size: tuple[int, ...]) -> tuple[int, ...] | None:
    """The strides of a channels-last image of that size, if no other layout could have them as well."""
    if len(size) != 4 or min(size) < 2:
        return None
    _, channels, height, width = size
    return (channels * height * width, 1, channels * width, channels)


@lru_cache(maxsize=1 << 12)
def _compact(size: tuple[int, ...], stride: tuple[int, ...]) -> tuple[int, ...] | None:
    """The strides of an element-wise result: dimensions in the same order in memory, without gaps.

    `None` where the order is in doubt: dimensions of size 1, or of equal strides.
    """
    if stride == row_major(size):
        return stride
    if not size or min(size) < 2 or min(stride) < 1 or len(set(stride)) < len(stride):
        return None
    strides = [0] * len(size)
    step = 1
    for i in sorted(range(len(size)), key=stride.__getitem__):
        strides[i] = step
        step *= size[i]
    return tuple(strides)


def is_plain(tensor: torch.Tensor) -> bool:
    """Whether a tensor is on meta and has one size and strides."""
    return tensor.is_meta and tensor.layout is _STRIDED and not tensor.is_nested


def is_row_major(tensor: torch.Tensor) -> bool:
    """Whether a tensor has the strides of a new contiguous one, also in dimensions of size 1, where any would do."""
    return tensor.stride() == row_major(tensor.shape)


def is_dense(tensor: torch.Tensor) -> bool:
    """Whether a tensor is row-major, or a channels-last image."""
    stride = tensor.stride()
    return stride == row_major(tensor.shape) or stride == _channels_last(tensor.shape)


def new(size: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """A new contiguous meta tensor."""
    return _empty_strided(size, row_major(size), dtype=dtype, device=META)


def like(tensor: torch.Tensor, dtype: torch.dtype | None = None) -> Any:
    """A new meta tensor of the size and strides of a dense one; `NotImplemented` for any other."""
    size, stride = tensor.shape, tensor.stride()
    if stride != row_major(size) and stride != _channels_last(size):
        return NotImplemented
    return _empty_strided(size, stride, dtype=dtype or tensor.dtype, device=META)


def ordered_like(tensor: torch.Tensor, dtype: torch.dtype | None = None) -> Any:
    """A new meta tensor with the dimensions in the same order in memory; `NotImplemented` if that is in doubt."""
    size = tensor.shape
    stride = _compact(size, tensor.stride())
    if stride is None:
        return NotImplemented
    return _empty_strided(size, stride, dtype=dtype or tensor.dtype, device=META)


def broadcast(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...] | None:
    """The size two sizes come to together, if they do and nothing is empty."""
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
