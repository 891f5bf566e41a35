"""Links between cards: what one rank sends over each in a second, from data sheets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .device import Device

_GIGA = 10**9


@dataclass(frozen=True)
class Link:
    """A link between cards. ``speeds`` are bytes/s in one direction by the generation of a card; ``source`` names the
    documents, which quote both directions together unless they say otherwise."""

    name: str
    speeds: Mapping[str, int]
    source: str


LINKS = (
    Link(
        "NVLink", {name: speed * _GIGA for name, speed in {
            "volta": 150, "ampere": 300, "hopper": 450, "blackwell": 900,
        }.items()},
        "NVIDIA V100, A100 and H100 Tensor Core GPU data sheets and HGX B200 data sheet: 300, 600, 900 and 1,800 GB/s "
        "both ways, halved",
    ),
    Link(
        "PCIe", {name: speed * _GIGA for name, speed in {
            "volta": 16, "turing": 16, "ampere": 32, "ada": 32, "hopper": 64, "blackwell": 64,
        }.items()},
        "NVIDIA T4 (32 GB/s), A100 (PCIe Gen4: 64 GB/s) and H100 (PCIe Gen5: 128 GB/s) data sheets, both ways, halved",
    ),
    Link(
        "InfiniBand", {name: speed * _GIGA for name, speed in {
            "volta": 12, "turing": 12, "ampere": 25, "ada": 25, "hopper": 50, "blackwell": 50,
        }.items()},
        "NVIDIA ConnectX-5, ConnectX-6 and ConnectX-7 data sheets: 100, 200 and 400 Gb/s a port, of which each card "
        "has one; an eighth, rounded down",
    ),
)  # fmt: skip


SERVER = 8
"""Cards in a server, which NVLink joins."""


def link_of(device: Device, name: str | None, ranks: int = 1) -> Link | None:
    """The link of that name; without one, what binds ``ranks`` of such cards.

    That is NVLink for cards that servers join by it, PCIe for others, and InfiniBand for more than a server has.
    ``None`` for what is no card of a known generation, and for a link that such cards do not have.
    """
    if name is None:
        joined = device.market == "data center" and "PCIe" not in device.name
        names = ("InfiniBand",) if ranks > SERVER else ("NVLink", "PCIe") if joined else ("PCIe",)
    else:
        names = (name,)
    known = (one for wanted in names for one in LINKS if one.name == wanted and device.generation in one.speeds)
    return next(known, None)
