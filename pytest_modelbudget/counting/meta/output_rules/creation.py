"""Outputs of operators that create tensors, which they do on the meta device whatever device they are asked for."""

from __future__ import annotations

from typing import Any

import torch

from ..layout import META, empty
from .registry import output_rule


@output_rule("zeros", "ones", "rand", "randn", fills=True)
@output_rule("empty.memory_format")
def _created(
    size: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: Any = None,
    memory_format: Any = None,
) -> Any:
    if layout not in (None, torch.strided) or memory_format is not None or (size and min(size) < 0):
        return NotImplemented
    return empty(tuple(size), dtype or torch.get_default_dtype())


@output_rule("scalar_tensor", fills=True)
def _scalar(s: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: Any = None) -> Any:
    """A single number, on the meta device only where that is the device asked for."""
    if device != META or dtype is None or layout not in (None, torch.strided):
        return NotImplemented
    return empty((), dtype)


@output_rule("new_zeros", "new_ones", "new_empty")
def _created_like(
    self: torch.Tensor, size: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: Any = None
) -> Any:
    """A new tensor with the dtype of ``self``, unless another is given."""
    if not self.is_meta or layout not in (None, torch.strided) or (size and min(size) < 0):
        return NotImplemented
    return empty(tuple(size), dtype or self.dtype)
