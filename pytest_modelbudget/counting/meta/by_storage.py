"""What is known of storages, as long as they are alive."""

from __future__ import annotations

import weakref
from typing import Any, Generic, TypeVar

import torch

Value = TypeVar("Value")


class ByStorage(Generic[Value]):
    """Values by the storage of a tensor, which all of its views have too. A storage that goes takes its value along."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Any], Value]] = {}  # by address: it, and what is known

    def __len__(self) -> int:
        """The number of storages of which something is known."""
        return len(self._known)

    def get(self, tensor: torch.Tensor) -> Value | None:
        """What is known of the storage of a tensor."""
        known = self._known.get(tensor.untyped_storage()._cdata)
        return None if known is None else known[1]

    def put(self, tensor: torch.Tensor, value: Value) -> None:
        """Note what is known from here on."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        self._known[key] = (weakref.ref(storage, lambda _: self._known.pop(key, None)), value)

    def forget(self, tensor: torch.Tensor) -> None:
        """Nothing is known any longer."""
        self._known.pop(tensor.untyped_storage()._cdata, None)
