"""Devices by their names as people write them, and which common cards hold so many bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from ..errors import UsageError, nearest
from .device import GIB, Device
from .device_table import NAMED
from .own_device import SUFFIX, load_device

_KINDS = (Device("cuda", "cuda"), Device("cpu", "cpu"))
_ALSO = {
    "h200sxm": "H200",
    "h100sxm": "H100",
    "h10080gb": "H100",
    "a100": "A100 40GB",  # the slower and smaller of the two
    "a10040g": "A100 40GB",
    "a10080g": "A100 80GB",
    "geforcertx4090": "RTX 4090",
    "4090": "RTX 4090",
    "geforcertx3090": "RTX 3090",
    "3090": "RTX 3090",
    "geforcertx5090": "RTX 5090",
    "5090": "RTX 5090",
    "rtxa6000": "A6000",
    "teslav100": "V100",
    "v10016gb": "V100",
    "v100sxm2": "V100",
    "v100sxm216gb": "V100",
    "v100sxm232gb": "V100 32GB",
    "teslav100sxm216gb": "V100",
    "teslav100sxm232gb": "V100 32GB",
    "v100pcie": "V100 PCIe 32GB",
    "teslav100pcie32gb": "V100 PCIe 32GB",
    "teslat4": "T4",
    "b200sxm": "B200",
    "rtxpro6000blackwell": "RTX PRO 6000",
    "rtxpro6000blackwellworkstationedition": "RTX PRO 6000",
    "a100pcie40gb": "A100 40GB",
    "a100sxm440gb": "A100 40GB",
    "a10080gbpcie": "A100 80GB",
    "a100pcie80gb": "A100 80GB",
    "a100sxm480gb": "A100 80GB",
    "h10080gbhbm3": "H100",
    "jetsonorin": "Jetson AGX Orin 64GB",
    "jetsonagxorin": "Jetson AGX Orin 64GB",
    "agxorin": "Jetson AGX Orin 64GB",
    "orin": "Jetson AGX Orin 64GB",
    "laptop": "laptop CPU",
}


def find_device(value: Any) -> Device:
    """A device by its name: ``"cuda"``, ``"cpu"``, a named one, whatever its case, spaces and dashes, or a file.

    ``"A100"`` is the one of 40 GB, ``"H100"`` that on SXM. Raises `UsageError` with the nearest name and all names.
    """
    name = str(value)
    if name.endswith(SUFFIX):
        return load_device(name)
    known = _by_name()
    plain = _plain(name.split(":")[0] if name.startswith(("cuda:", "cpu:")) else name).removeprefix("nvidia")
    device = known.get(plain)
    if device is None:
        names = [device.name for device in (*_KINDS, *NAMED)]
        near = nearest(plain, known)
        for key, found in known.items():
            near = near.replace(repr(key), repr(found.name))
        allowed = f"{', '.join(map(repr, names))}, and {OWN_DEVICE}"
        raise UsageError(f"device={value!r} is not a device.{near} Allowed: {allowed}.")
    return device


OWN_DEVICE = f"the file of a device of your own, such as './my-card{SUFFIX}', which modelbudget calibrate writes"
"""What ``device=`` may be beside a name, for messages."""


def named_devices(*, gpus: bool = False) -> str:
    """The names of all devices whose speed is known, or of ``gpus`` alone, for messages."""
    return ", ".join(repr(device.name) for device in NAMED if device.is_card or not gpus)


@cache
def _by_name() -> Mapping[str, Device]:
    """All devices by their names as `_plain` writes them, and by other names that they go by."""
    named = {_plain(device.name): device for device in (*_KINDS, *NAMED)}
    return MappingProxyType(named | {_plain(name): named[_plain(also)] for name, also in _ALSO.items()})


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c not in " -_")


@dataclass(frozen=True)
class Card:
    """A card by its memory, in bytes, nominal: a driver and CUDA's context keep some hundred MiB of it."""

    name: str
    memory: int
    source: str


CARDS = (
    Card("RTX 4060", 8 * GIB, "NVIDIA GeForce RTX 4060 specifications"),
    Card("RTX 4070", 12 * GIB, "NVIDIA GeForce RTX 4070 specifications"),
    Card("T4", 16 * GIB, "NVIDIA T4 Tensor Core GPU data sheet"),
    Card("L4, RTX 4090", 24 * GIB, "NVIDIA L4 data sheet; NVIDIA GeForce RTX 4090 specifications"),
    Card("A100 40GB", 40 * GIB, "NVIDIA A100 Tensor Core GPU data sheet"),
    Card("L40S, RTX 6000 Ada", 48 * GIB, "NVIDIA L40S and RTX 6000 Ada Generation data sheets"),
    Card("A100 80GB, H100", 80 * GIB, "NVIDIA A100 and H100 Tensor Core GPU data sheets"),
    Card("H200", 141 * GIB, "NVIDIA H200 Tensor Core GPU data sheet"),
)
"""Common cards, the smallest first: one or two of each memory size."""


def fits_on(size: int) -> tuple[Card, ...]:
    """The cards whose memory holds ``size`` bytes, the smallest first; empty where none does."""
    return tuple(card for card in CARDS if size <= card.memory)
