"""Small tensors that a model fills with known values: where it does, and which it writes to afterwards."""

from __future__ import annotations

import weakref
from typing import Any

import torch

from .user_frames import caller


class Fills:
    """The fills of one run. Those at the lines ``overwritten`` are written to later: their values do not last."""

    def __init__(self, overwritten: frozenset[str]) -> None:
        self._overwritten = overwritten
        self._lines: dict[int, tuple[weakref.ref[Any], str]] = {}  # by the address of a storage: it, and the line

    def keeps_values(self) -> bool:
        """Whether what is filled now keeps its values: no line that runs is one of those that are overwritten."""
        return not self._overwritten or caller().line not in self._overwritten

    def made(self, tensor: torch.Tensor) -> None:
        """Note a tensor that was filled, with the line that is running."""
        storage, line = tensor.untyped_storage(), caller().line
        if line is not None:
            key = storage._cdata
            self._lines[key] = (weakref.ref(storage, lambda _: self._lines.pop(key, None)), line)

    def line_of(self, tensor: torch.Tensor) -> str | None:
        """The line that filled a tensor, or one of the same storage."""
        known = self._lines.get(tensor.untyped_storage()._cdata)
        return known[1] if known is not None else None
