"""The tensors that replace those of a model while it is borrowed: on the meta device, copied, or moved to a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from ..meta.arguments import is_small
from ..meta.layout import META
from ..recording.tensors import PLAIN
from .tensor_copies import TensorCopies

Replacement = Callable[[torch.Tensor], torch.Tensor]
"""Called with a tensor of the model. Returns the one that replaces it, or the tensor itself."""


def on_meta(
    dtype: torch.dtype | None,
    *,
    grad: bool,
    built: bool = False,
    updated: bool = False,
    keeps: Callable[[torch.Tensor], bool] = lambda tensor: False,
) -> Replacement:
    """Tensors on the meta device, floating ones in ``dtype`` if one is given.

    ``built`` says that the model need not be given back, so that its meta tensors stay, ``updated`` that an optimizer
    changes tensors in place, so that meta tensors are copied too. ``grad`` is whether autograd is on. Tensors that
    ``keeps`` is true for keep their data. Tensors that share a storage share one on the meta device, unless ``dtype``
    parts them, as ``model.to(dtype)`` does.
    """
    copies = TensorCopies(META)

    def replace(tensor: torch.Tensor) -> torch.Tensor:
        kind = type(tensor)
        if kind is torch.nn.Parameter and dtype is None and not built and not updated and tensor.is_meta:
            return torch.Tensor._make_subclass(kind, tensor, tensor.requires_grad)  # it detaches by itself
        if kind not in PLAIN and is_lazy(tensor):
            # It becomes an ordinary parameter in forward, and on meta PyTorch wants both made in the same mode.
            with torch.inference_mode(not grad):
                return _new_lazy(tensor, dtype, META)
        if keeps(tensor):
            return _cast(tensor.detach().clone().to("cpu"), dtype)
        if built and tensor.is_meta and dtype is None:
            return tensor
        return _cast(tensor.detach() if tensor.is_meta and not updated else copies.of(tensor), dtype)

    return replace


def small_constants(modules: list[torch.nn.Module]) -> Callable[[torch.Tensor], bool]:
    """Whether a tensor of a model is small and has values that it may read: a plain attribute, or a buffer of integers.

    Buffers of floats, such as running means, are what forward computes with, and writes to.
    """
    buffers = {id(buffer) for module in modules for buffer in module._buffers.values() if buffer is not None}

    def keeps(tensor: torch.Tensor) -> bool:
        if type(tensor) is not torch.Tensor or tensor.is_meta or tensor.layout is not torch.strided:
            return False
        if tensor.requires_grad or (tensor.is_floating_point() and id(tensor) in buffers):
            return False
        return is_small(tensor.shape, tensor.dtype)

    return keeps


def copied(dtype: torch.dtype | None, device: torch.device | None = None) -> Replacement:
    """Copies with data, floating ones in ``dtype`` if one is given, on ``device`` if one is given.

    A copy of a meta tensor has small seeded values. Tensors share a storage as those by `on_meta` do.
    """
    copies = TensorCopies(device)

    def replace(tensor: torch.Tensor) -> torch.Tensor:
        if is_lazy(tensor):
            return _new_lazy(tensor, dtype, device or (torch.device("cpu") if tensor.is_meta else tensor.device))
        new = copies.of(tensor)
        if tensor.is_meta and type(new) is torch.Tensor and new.is_floating_point():
            _everything(new).normal_(0, 0.02)
        return _cast(new, dtype)

    return replace


def _everything(tensor: torch.Tensor) -> torch.Tensor:
    """All elements of the storage of a tensor, of which several of its own may be one."""
    count = tensor.untyped_storage().nbytes() // tensor.itemsize
    return tensor.new_empty(0).set_(tensor.untyped_storage(), 0, (count,), (1,))


def _cast(tensor: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    return tensor.to(dtype) if dtype is not None and tensor.is_floating_point() else tensor


def _new_lazy(tensor: torch.Tensor, dtype: torch.dtype | None, device: torch.device) -> torch.Tensor:
    """A lazy parameter or buffer like a lazy one."""
    chosen = dtype if dtype is not None and tensor.dtype.is_floating_point else tensor.dtype
    lazy: Any = type(tensor)
    new: torch.Tensor = lazy(requires_grad=tensor.requires_grad, device=device, dtype=chosen)
    return new
