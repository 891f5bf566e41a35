"""Meta tensors in the place of real ones, beside other meta tensors: those of one storage share one, too."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from .layout import META, meta_like

Copied = Callable[[Any, Any], None]
"""Called with the storage of a real tensor, and the one on the meta device that stands for it."""


class MetaCopies:
    """The meta copies of the real tensors of one run, which are the same ones each time."""

    def __init__(self, copied: Copied | None = None) -> None:
        self._copied = copied
        self._tensors = WeakTensorKeyDictionary()
        self._storages: dict[int, weakref.ref[Any]] = {}  # by the address of a real one

    def of(self, tensor: torch.Tensor) -> torch.Tensor:
        """A meta tensor of the same size, strides and dtype."""
        if tensor.is_meta:
            return tensor
        known: torch.Tensor | None = self._tensors.get(tensor)
        if known is None:
            known = self._tensors[tensor] = self._new(tensor)
        return known

    def _new(self, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_nested or tensor.is_conj():
            return meta_like(tensor)
        new = torch.empty(0, dtype=tensor.dtype, device=META)
        return new.set_(
            self._of_storage(tensor.untyped_storage()), tensor.storage_offset(), tensor.size(), tensor.stride()
        )

    def _of_storage(self, storage: Any) -> Any:
        """The storage that stands for one. It keeps that alive, which its bytes are counted for."""
        key = storage._cdata
        known = self._storages.get(key)
        copy = known() if known is not None else None
        if copy is None:
            copy = torch.empty(storage.nbytes(), dtype=torch.uint8, device=META).untyped_storage()
            self._storages[key] = weakref.ref(copy)
            weakref.finalize(copy, _released, storage).atexit = False
            if self._copied is not None:
                self._copied(storage, copy)
        return copy


def _released(storage: Any) -> None:
    """The storage that another one kept alive may go."""
