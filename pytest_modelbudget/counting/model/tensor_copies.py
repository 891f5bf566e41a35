"""Copies of tensors, with or without data. Those of tensors that share a storage share one too, of the same size."""

from __future__ import annotations

from typing import Any

import torch

from ..meta.layout import META, meta_like
from ..pytorch.private import is_traceable_wrapper_subclass
from ..recording.tensors import PLAIN

_STRIDED = torch.strided
_empty_strided = torch.empty_strided


class TensorCopies:
    """Copies tensors to ``device``: on the meta device without data, on others with it; ``None`` is their own device.

    A copy on another device of a tensor that is on the meta device is filled with zeros.
    """

    def __init__(self, device: torch.device | None) -> None:
        self._device = device
        self._storages: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # by address: a tensor in it, and its copy

    def of(self, tensor: torch.Tensor) -> torch.Tensor:
        """The copy of a tensor: it does not require gradients, and is no parameter."""
        if type(tensor) not in PLAIN and is_traceable_wrapper_subclass(tensor):
            return self._of_wrapper(tensor)
        if tensor.layout is not _STRIDED or tensor.is_quantized or tensor.is_nested or tensor.is_conj():
            return self._on_its_own(tensor)
        storage = tensor.untyped_storage()
        key = storage._cdata
        known = self._storages.get(key)
        if known is not None:
            return self._in_storage_of(known[1], tensor)
        if tensor.nbytes != storage.nbytes() or not tensor.is_contiguous():
            new = self._in_storage_of(self._storage(tensor), tensor)
        elif self._device is META:
            new = _empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device=META)
        else:
            new = self._on_its_own(tensor)
        self._storages[key] = (tensor, new)  # with the tensor, so that no other gets its address
        return new

    def _on_its_own(self, tensor: torch.Tensor) -> torch.Tensor:
        """A copy with a storage of its own."""
        device = self._device
        if device == META:
            return meta_like(tensor)
        if tensor.is_meta:
            return torch.zeros(tensor.shape, dtype=tensor.dtype, device=device or "cpu")
        new = tensor.detach().clone()
        return new if device is None else new.to(device)

    def _storage(self, tensor: torch.Tensor) -> torch.Tensor:
        """A copy of all of the storage of a tensor, as one row of bytes."""
        storage = tensor.untyped_storage()
        everything = torch.empty(0, dtype=torch.uint8, device=tensor.device)
        return self._on_its_own(everything.set_(storage, 0, (storage.nbytes(),), (1,)))

    def _in_storage_of(self, other: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor like ``tensor`` in the storage of ``other``."""
        new = torch.empty(0, dtype=tensor.dtype, device=other.device)
        return new.set_(other.untyped_storage(), tensor.storage_offset(), tensor.size(), tensor.stride())

    def _of_wrapper(self, tensor: Any) -> torch.Tensor:
        """A tensor subclass with copies of the tensors that it stores."""
        names, context = tensor.__tensor_flatten__()
        parts = {name: self._of_part(getattr(tensor, name)) for name in names}
        new: torch.Tensor = type(tensor).__tensor_unflatten__(parts, context, tensor.size(), tensor.stride())
        return new

    def _of_part(self, part: Any) -> Any:
        """The copy of what a subclass stores; what is no tensor, such as the mesh of a DTensor, is itself."""
        return self.of(part) if isinstance(part, torch.Tensor) else part
