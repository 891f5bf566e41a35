"""A model of a third-party package, what it is called with, and in what its cost may differ from a real run's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass(frozen=True)
class Case:
    """``inputs`` are positional arguments in a tuple or keyword arguments in a dict, as `measure` takes them.

    ``attention`` is "fused" where the model chooses its fused kernel itself. ``beyond`` are FLOPs by operator, worked
    out by hand, where ``FlopCounterMode`` has no formula. ``real`` says why the model runs for real rather than on
    meta, ``memory`` why its peak is not that of a run on the CPU. ``wrong`` says what the package gets wrong today:
    the test of such a case must fail.
    """

    model: str
    build: Callable[[], torch.nn.Module]
    inputs: Any
    attention: str = "math"
    beyond: Mapping[str, int] = field(default_factory=dict)
    real: str = ""
    memory: str = ""
    wrong: str = ""

    @property
    def executed(self) -> str:
        """Where the model is expected to run."""
        return "real" if self.real else "meta"


def image(side: int = 64, batch: int = 1, channels: int = 3) -> torch.Tensor:
    return torch.zeros(batch, channels, side, side)


def ids(tokens: int = 16, batch: int = 1) -> torch.Tensor:
    return torch.zeros(batch, tokens, dtype=torch.int64)
