"""What the panels of a sweep's picture share: how they are drawn, where a cell stands, and what a metric is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...grids.cell import Cell
from ...grids.cells import Sweep
from ...values.device import Device
from ...values.devices import find_device
from ...values.metrics import title_of
from ...values.point import find_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Panel = Callable[["Axes"], None]
"""Draws one panel into its axes."""

MARKERS = "osD^vP*X"
"""The marks of points, one for each line."""


def place(cell: Cell, axis: str) -> int:
    """Where a cell stands on an ordered axis, as one number; 0 where the axis was not given."""
    value = cell.point.value(axis)
    return 0 if value is None else find_axis(axis).kind.size(value)


def named_device(sweep: Sweep) -> Device | None:
    """The card that the sweep is predicted for, if it is for one."""
    names = {cell.point.device for cell in sweep}
    device = find_device(names.pop()) if len(names) == 1 and None not in names else None
    return device if device is not None and device.has_speed else None


def samples_per_second(cell: Cell) -> int | None:
    """How many samples the named device is predicted to take in a second."""
    nanoseconds = cell.values.get("latency")
    return round((cell.point.batch or 1) * 1e9 / nanoseconds) if nanoseconds else None


def title(metric: str) -> str:
    """A metric at the beginning of a line."""
    text = title_of(metric)
    return text if text[0].isupper() else text.capitalize()
