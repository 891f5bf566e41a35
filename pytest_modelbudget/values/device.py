"""A device: what its vendor says of its speed and memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .fits import Calibration

GIB = 2**30

GENERATIONS = ("volta", "turing", "ampere", "ada", "hopper", "blackwell")
"""NVIDIA's architectures, the oldest first."""

MARKETS = ("data center", "low power", "desktop")
"""What cards are made for: training in servers, inference at 75 to 150 W, and workstations and games."""


@dataclass(frozen=True)
class Device:
    """A device: ``kind`` is ``"cuda"`` or ``"cpu"``, and says whose memory rules hold.

    ``peaks`` are FLOP/s by dtype (PyTorch's names, and ``tf32`` for float32 on tensor cores), a multiply-add being two;
    ``bandwidth`` is bytes/s from its memory; ``memory`` bytes, nominal; ``launch`` nanoseconds to start a kernel;
    ``source`` names the document. ``generation`` is the architecture, ``market`` what it is made for (`MARKETS`), by
    which the nearest card is found where there are no measurements. ``multiprocessors`` is how many there are, zero
    where that does not matter. ``own`` is a calibration that was measured on it. A plain kind has none of these.
    """

    name: str
    kind: str
    peaks: Mapping[str, int] = field(default_factory=dict)
    bandwidth: int = 0
    memory: int = 0
    launch: int = 0
    source: str = ""
    generation: str = ""
    market: str = ""
    multiprocessors: int = 0
    own: Calibration | None = field(default=None, repr=False)

    @property
    def has_speed(self) -> bool:
        """Whether this is a named device, whose step times can be predicted."""
        return self.bandwidth > 0

    @property
    def is_card(self) -> bool:
        """Whether this is a named GPU, whose memory is a limit of its own."""
        return self.has_speed and self.kind == "cuda"

    def peak(self, dtype: str) -> int:
        """FLOP/s in a dtype. One that is not in the table, such as 8-bit numbers, counts as float32."""
        return self.peaks.get(dtype, self.peaks["float32"])
