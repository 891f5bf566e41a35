"""How far off the estimates at an operating point are, before anything is counted."""

from __future__ import annotations

from .calibration import memory_fit, time_fit
from .devices import find_device
from .fits import Accuracy
from .point import OperatingPoint


def accuracies(point: OperatingPoint) -> dict[str, Accuracy]:
    """By the metric that is estimated; empty without a named device, or where no measured card is like it."""
    device = find_device(point.device) if point.device is not None else None
    if device is None or not device.has_speed:
        return {}
    time, memory = time_fit(device, point.way), memory_fit(device, point.mode)
    known = {"latency": time[1] if time else None, "footprint": memory[1] if memory else None}
    return {metric: accuracy for metric, accuracy in known.items() if accuracy is not None}
