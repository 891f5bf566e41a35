"""Small tensors that a model fills with known values: where it does, and which it writes to afterwards."""

from __future__ import annotations

import torch

from .by_storage import ByStorage
from .user_frames import caller


class Fills:
    """The fills of one run. Those at the lines ``overwritten`` are written to later: their values do not last."""

    def __init__(self, overwritten: frozenset[str]) -> None:
        self._overwritten = overwritten
        self._lines: ByStorage[str] = ByStorage()

    def keeps_values(self) -> bool:
        """Whether what is filled now keeps its values: no line that runs is one of those that are overwritten."""
        return not self._overwritten or caller().line not in self._overwritten

    def made(self, tensor: torch.Tensor) -> None:
        """Note a tensor that was filled, with the line that is running."""
        line = caller().line
        if line is not None:
            self._lines.put(tensor, line)

    def line_of(self, tensor: torch.Tensor) -> str | None:
        """The line that filled a tensor, or one of the same storage."""
        return self._lines.get(tensor)
