"""Nested tensors of the strided layout: a batch of tensors, each of its own size, and that known without its data."""

from __future__ import annotations

import math
from typing import Any


def sizes(tensor: Any) -> list[tuple[int, ...]]:
    """The size of each tensor in a batch, nested or not."""
    if not tensor.is_nested:
        return [tuple(tensor.shape[1:])] * tensor.shape[0]
    return [tuple(size) for size in tensor._nested_tensor_size().tolist()]


def product_macs(left: Any, right: Any) -> int:
    """Multiply-adds of ``left @ right`` where one of them is nested: each ``(..., M, K)`` by its ``(..., K, N)``."""
    if not right.is_nested and right.dim() == 2:
        return sum(math.prod(size) for size in sizes(left)) * int(right.shape[1])
    return sum(math.prod(one) * other[-1] for one, other in zip(sizes(left), sizes(right), strict=True))
