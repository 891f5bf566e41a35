"""One point of a grid and what a model costs there, and the batches from which it stops to pay to go larger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from ..values.devices import find_device
from ..values.fits import Accuracy
from ..values.frozen import freeze
from ..values.point import OperatingPoint
from ..values.throughput import smallest_that_pays

SPEED = "estimated_samples_per_second"
"""The column of a sweep with a predicted time that says how many samples that is a second."""


@dataclass(frozen=True)
class Cell:
    """One point of a grid: what a model costs there, by metric, or why it refuses (in one line).

    ``uncounted`` are operators without a formula, so that the numbers are too low; ``executed`` and ``accuracies`` are
    as in `Cost`.
    """

    target: str
    point: OperatingPoint
    values: Mapping[str, int] = field(default_factory=dict)
    refused: str = ""
    executed: str = "meta"
    uncounted: tuple[str, ...] = ()
    accuracies: Mapping[str, Accuracy] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Nothing in a cell changes."""
        freeze(self, "values", "accuracies")

    @property
    def held(self) -> bool | None:
        """Whether the device named holds the point, as far as is known: ``None`` without one, or what it takes."""
        used = self.values.get("footprint", self.values.get("memory"))
        device = find_device(self.point.device) if self.point.device is not None else None
        return None if used is None or device is None or not device.memory else used <= device.memory

    def per_sample(self, metric: str) -> int | float | None:
        """A metric divided by the batch: whole where it is, else the nearest float; ``None`` where there is none."""
        value, batch = self.values.get(metric), self.point.batch or 1
        if value is None:
            return None
        return value // batch if value % batch == 0 else value / batch


def batches_that_pay(cells: Iterable[Cell]) -> dict[tuple[str, OperatingPoint], int]:
    """For each model and point, its batch left open, the smallest batch with 90 % of the most samples per second.

    It is an estimate, as the predicted times are; empty without a card. What the card cannot hold does not count.
    """
    speeds: dict[tuple[str, OperatingPoint], dict[int, Fraction]] = {}
    for cell in cells:
        batch, nanoseconds = cell.point.batch, cell.values.get("latency")
        if batch is None or not nanoseconds or cell.point.device is None:
            continue
        group = speeds.setdefault((cell.target, replace(cell.point, batch=None)), {})
        if cell.held is not False:
            group[batch] = Fraction(batch, nanoseconds)
    found = {key: smallest_that_pays(group) for key, group in speeds.items()}
    return {key: batch for key, batch in found.items() if batch is not None}
