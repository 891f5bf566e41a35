"""Peak memory as values: what was alive at the peak, in which phase and module, and what a real run measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .frozen import freeze

KINDS = ("weights", "gathered", "inputs", "activations", "gradients", "optimizer", "temporaries")
"""What memory is for: parameters and buffers; parameters of other ranks that FSDP gathers; arguments of
forward; what forward made (saved for backward, when training); gradients of parameters; the optimizer's state;
everything else that is made on the way."""

PHASES = ("forward", "backward", "optimizer")


@dataclass(frozen=True)
class Peak:
    """The moment when the most bytes were alive. All sizes are bytes.

    ``phase`` and ``module`` were running; ``kinds`` add up to the peak; ``phases`` has the peak of each phase of the
    step; ``kept`` says how much each module had made (activations, gradients, temporaries) that was alive.
    """

    phase: str
    module: str
    kinds: Mapping[str, int]
    phases: Mapping[str, int]
    kept: Mapping[str, int]

    def __post_init__(self) -> None:
        """Nothing in a peak changes."""
        freeze(self, "kinds", "phases", "kept")

    @property
    def total(self) -> int:
        """Bytes alive."""
        return sum(self.kinds.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "phase": self.phase,
            "module": self.module,
            "kinds": dict(self.kinds),
            "phases": dict(self.phases),
            "kept": dict(self.kept),
        }


@dataclass(frozen=True)
class Measured:
    """The same step run for real: the device, its peak in bytes, and the median time of ``runs`` in nanoseconds."""

    device: str
    memory: int
    nanoseconds: int
    runs: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return dict(vars(self))
