"""The tensors that replace those of a model while it is borrowed: on the meta device, copied, or moved to a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from ..meta.arguments import is_small
from ..meta.layout import META, meta_like

Replacement = Callable[[torch.Tensor], torch.Tensor]
"""Called with a tensor of the model. Returns the one that replaces it, or the tensor itself."""

NEVER_LAZY = frozenset({torch.Tensor, torch.nn.Parameter})
"""The types of tensors that need not be asked whether they are lazy."""


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
    ``keeps`` is true for keep their data.
    """

    def replace(tensor: torch.Tensor) -> torch.Tensor:
        kind = type(tensor)
        if kind is torch.nn.Parameter and dtype is None and not built and not updated and tensor.is_meta:
            return torch.Tensor._make_subclass(kind, tensor, tensor.requires_grad)  # it detaches by itself
        if kind not in NEVER_LAZY and is_lazy(tensor):
            # It becomes an ordinary parameter in forward, and on meta PyTorch wants both made in the same mode.
            with torch.inference_mode(not grad):
                return _new_lazy(tensor, dtype, META)
        if keeps(tensor):
            return _cast(tensor.detach().clone().to("cpu"), dtype)
        if built and tensor.is_meta and dtype is None:
            return tensor
        return _cast(tensor.detach() if tensor.is_meta and not updated else meta_like(tensor), dtype)

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


def copied(dtype: torch.dtype | None) -> Replacement:
    """Copies with data, floating ones in ``dtype`` if one is given. A copy of a meta tensor has small seeded values."""

    def replace(tensor: torch.Tensor) -> torch.Tensor:
        if is_lazy(tensor):
            return _new_lazy(tensor, dtype, torch.device("cpu") if tensor.device == META else tensor.device)
        if tensor.is_meta:
            filled = torch.zeros(tensor.shape, dtype=tensor.dtype, device="cpu")
            return _cast(filled.normal_(0, 0.02) if tensor.is_floating_point() else filled, dtype)
        return _cast(tensor.detach().clone(), dtype)

    return replace


def moved(dtype: torch.dtype | None, device: torch.device) -> Replacement:
    """Copies as by `copied`, on ``device``."""
    copy = copied(dtype)

    def replace(tensor: torch.Tensor) -> torch.Tensor:
        new = copy(tensor)
        return new if is_lazy(new) else new.to(device)

    return replace


def unchanged(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor itself."""
    return tensor


def _cast(tensor: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    return tensor.to(dtype) if dtype is not None and tensor.is_floating_point() else tensor


def _new_lazy(tensor: torch.Tensor, dtype: torch.dtype | None, device: torch.device) -> torch.Tensor:
    """A lazy parameter or buffer like a lazy one."""
    chosen = dtype if dtype is not None and tensor.dtype.is_floating_point else tensor.dtype
    lazy: Any = type(tensor)
    new: torch.Tensor = lazy(requires_grad=tensor.requires_grad, device=device, dtype=chosen)
    return new
