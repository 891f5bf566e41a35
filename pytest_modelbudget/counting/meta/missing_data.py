"""The operators that asked, on the meta device, for values that no meta tensor has; and those that refused their call.

An operator asked if PyTorch has no kernel for it there, or if it runs as soon as its arguments have data. One that does
not run with data either refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch

from .user_frames import Caller, caller


class NeedsData(RuntimeError):
    """An operator asked for values that a meta tensor does not have."""

    def __init__(self, operator: str) -> None:
        super().__init__(f"{operator} needs data")
        self.operator = operator


class Asked(NamedTuple):
    """An operator that asked, and who called it."""

    operator: str
    by: Caller

    def told(self, names: Mapping[int, str]) -> str:
        """The operator, module and line: ``aten::item in module 'head' (Head), net.py:7``; ``names`` are by ``id``."""
        module, line = self.by.module, self.by.line
        where = f" in {module_told(module, names)}" if module is not None else ""
        return f"{self.operator}{where}{f', {line}' if line is not None else ''}"


def module_told(module: torch.nn.Module, names: Mapping[int, str]) -> str:
    """A module by its name and class; the model itself, which has no name, by its class."""
    name, kind = names.get(id(module)), type(module).__name__
    return f"module {name!r} ({kind})" if name else kind


class MissingData:
    """The operators of one run that asked for data, also where the model caught the error and went on.

    ``refused`` is the error of the last operator that refused its arguments, whatever their values. ``overwrites`` has
    the lines that filled tensors with values that an operator, having none, would have overwritten.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.refused: Exception | None = None
        self.overwrites: set[str] = set()

    def add(self, operator: str, *, overwrites: str | None = None) -> NeedsData:
        """Note that ``operator`` asked. Returns the error to raise."""
        if overwrites is not None:
            self.overwrites.add(overwrites)
        self.asked.append(Asked(operator, caller()))
        return NeedsData(operator)
