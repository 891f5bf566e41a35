"""A point within all limits, and the next one, which is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..values.fits import Accuracy
from ..values.frozen import freeze
from ..values.point import OperatingPoint


@dataclass(frozen=True)
class Fitting:
    """A point within all limits, and the next one, which is not.

    ``values`` are the limited metrics at ``point``, ``beyond`` those at ``next``; ``binds`` is the metric over its
    limit there. ``next`` is ``None`` at the end of what was searched; ``refused`` says why the model takes no more.
    ``accuracies`` say how far off those of ``values`` are that are estimates.
    """

    point: OperatingPoint
    values: Mapping[str, int]
    next: OperatingPoint | None = None
    beyond: Mapping[str, int] = field(default_factory=dict)
    binds: str = ""
    refused: str = ""
    accuracies: Mapping[str, Accuracy] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Nothing in it changes."""
        freeze(self, "values", "beyond", "accuracies")
