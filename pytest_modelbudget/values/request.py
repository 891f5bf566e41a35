"""A request: everything that a measurement is asked for, as one value that travels whole to whoever counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .devices import Device, find_device
from .point import OperatingPoint


@dataclass(frozen=True)
class Request:
    """What is asked of a measurement, checked."""

    point: OperatingPoint
    inputs: Any = None
    loss: Callable[[Any], Any] | None = None
    optimizer: Callable[..., Any] | None = None
    convention: str = "fvcore"
    counter: str = "aten"
    measured: bool = False

    @property
    def card(self) -> Device | None:
        """The device whose speed is asked for, if any."""
        found = find_device(self.point.device) if self.point.device is not None else None
        return found if found is not None and found.has_speed else None
