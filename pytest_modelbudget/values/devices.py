"""Named devices: what their vendors say of speed and memory, and which common cards hold so many bytes.

Peaks are dense: data sheets that quote tensor cores "with sparsity" quote twice as much. They are what the silicon
can do at its boost clock, which no program reaches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import UsageError, nearest

GIB = 2**30
_TERA, _GIGA = 10**12, 10**9

LAUNCH_SOURCE = (
    "NVIDIA's blog 'Getting Started with CUDA Graphs' (2019) launches a kernel of 2.9 us on a V100 again and again: "
    "9.6 us each where every one is waited for, 3.8 us each back to back. 4 us is a rough figure for what a small "
    "kernel costs at the least when PyTorch calls it; that of the Jetson, whose cores are slower, and that of the "
    "CPU, which is PyTorch's own way to a kernel, are guesses of the same kind"
)
"""Where the cost of a launch comes from."""


@dataclass(frozen=True)
class Device:
    """A device: ``kind`` is ``"cuda"`` or ``"cpu"``, and says whose memory rules hold.

    ``peaks`` are FLOP/s by dtype (PyTorch's names, and ``tf32`` for float32 on tensor cores), a multiply-add being two;
    ``bandwidth`` is bytes/s from its memory; ``memory`` bytes, nominal; ``launch`` nanoseconds to start a kernel;
    ``source`` names the document. A plain kind has none of these.
    """

    name: str
    kind: str
    peaks: Mapping[str, int] = field(default_factory=dict)
    bandwidth: int = 0
    memory: int = 0
    launch: int = 0
    source: str = ""

    @property
    def has_speed(self) -> bool:
        """Whether this is a named device, whose step times can be predicted."""
        return self.bandwidth > 0

    def peak(self, dtype: str) -> int:
        """FLOP/s in a dtype. One that is not in the table, such as 8-bit numbers, counts as float32."""
        return self.peaks.get(dtype, self.peaks["float32"])


def _tera(*, fp64: float, fp32: float, tf32: float, fp16: float, bf16: float) -> dict[str, int]:
    peaks = {"float64": fp64, "float32": fp32, "tf32": tf32, "float16": fp16, "bfloat16": bf16}
    return {dtype: round(peak * _TERA) for dtype, peak in peaks.items()}


_HOPPER = _tera(fp64=67, fp32=67, tf32=494.5, fp16=989.5, bf16=989.5)
_A100 = _tera(fp64=19.5, fp32=19.5, tf32=156, fp16=312, bf16=312)

NAMED = (
    Device(
        "H200", "cuda", _HOPPER, 4800 * _GIGA, 141 * GIB, 4000,
        "NVIDIA H200 Tensor Core GPU data sheet, H200 SXM; tensor cores halved to dense",
    ),
    Device(
        "H100", "cuda", _HOPPER, 3350 * _GIGA, 80 * GIB, 4000,
        "NVIDIA H100 Tensor Core GPU data sheet, H100 SXM; tensor cores halved to dense",
    ),
    Device(
        "H100 PCIe", "cuda", _tera(fp64=51, fp32=51, tf32=378, fp16=756.5, bf16=756.5), 2000 * _GIGA, 80 * GIB, 4000,
        "NVIDIA H100 Tensor Core GPU data sheet, H100 PCIe; tensor cores halved to dense",
    ),
    Device(
        "A100 80GB", "cuda", _A100, 2039 * _GIGA, 80 * GIB, 4000,
        "NVIDIA A100 Tensor Core GPU data sheet, A100 80GB SXM",
    ),
    Device(
        "A100 40GB", "cuda", _A100, 1555 * _GIGA, 40 * GIB, 4000,
        "NVIDIA A100 Tensor Core GPU data sheet, A100 40GB",
    ),
    Device(
        "L4", "cuda", _tera(fp64=0.473, fp32=30.3, tf32=60, fp16=121, bf16=121), 300 * _GIGA, 24 * GIB, 4000,
        "NVIDIA L4 Tensor Core GPU data sheet; tensor cores halved to dense; fp64 is 1/64 of fp32 "
        "(NVIDIA Ada GPU Architecture white paper)",
    ),
    Device(
        "T4", "cuda", _tera(fp64=0.253, fp32=8.1, tf32=8.1, fp16=65, bf16=8.1), 320 * _GIGA, 16 * GIB, 4000,
        "NVIDIA T4 Tensor Core GPU data sheet; TF32 and bf16, which its tensor cores lack, run as fp32; fp64 is 1/32 "
        "of fp32 (NVIDIA Turing GPU Architecture white paper)",
    ),
    Device(
        "RTX 4090", "cuda", _tera(fp64=1.29, fp32=82.6, tf32=82.6, fp16=165.2, bf16=165.2),
        1008 * _GIGA, 24 * GIB, 4000,
        "NVIDIA Ada GPU Architecture white paper, appendix A, GeForce RTX 4090; fp16 that accumulates in fp32, as "
        "PyTorch's products do; fp64 is 1/64 of fp32",
    ),
    Device(
        "Jetson AGX Orin 64GB", "cuda", _tera(fp64=0.083, fp32=5.3, tf32=21.25, fp16=42.5, bf16=42.5),
        204_800_000_000, 64 * GIB, 10_000,
        "NVIDIA Jetson AGX Orin Series technical brief: 5.3 TFLOP/s fp32 and 170 sparse int8 TOPS, which is 85 dense, "
        "and half of that in fp16, a quarter in TF32; memory is shared with the CPU; fp64 is 1/64 of fp32",
    ),
    Device(
        "laptop CPU", "cpu", _tera(fp64=0.1792, fp32=0.3584, tf32=0.3584, fp16=0.3584, bf16=0.3584),
        51_200_000_000, 16 * GIB, 1000,
        "Intel Core i7-1165G7 product specifications: 4 cores at 2.8 GHz with AVX-512, which is 32 fp32 FLOPs a cycle; "
        "two channels of DDR4-3200, which is 2 * 8 bytes * 3.2 GHz; halves run as fp32; all cores at work",
    ),
)  # fmt: skip
"""The devices whose step times can be predicted."""

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
    "jetsonorin": "Jetson AGX Orin 64GB",
    "jetsonagxorin": "Jetson AGX Orin 64GB",
    "agxorin": "Jetson AGX Orin 64GB",
    "orin": "Jetson AGX Orin 64GB",
    "laptop": "laptop CPU",
}


def find_device(value: Any) -> Device:
    """A device by its name: ``"cuda"``, ``"cpu"`` or a named one, whatever its case, spaces and dashes.

    ``"A100"`` is the one of 40 GB, ``"H100"`` that on SXM. Raises `UsageError` with the nearest name and all names.
    """
    name = str(value)
    known = {_plain(device.name): device for device in (*_KINDS, *NAMED)}
    plain = _plain(name.split(":")[0] if name.startswith(("cuda:", "cpu:")) else name).removeprefix("nvidia")
    device = known.get(_plain(_ALSO.get(plain, plain)))
    if device is None:
        names = [device.name for device in (*_KINDS, *NAMED)]
        near = nearest(plain, known)
        for key, found in known.items():
            near = near.replace(repr(key), repr(found.name))
        raise UsageError(f"device={value!r} is not a device.{near} Allowed: {', '.join(map(repr, names))}.")
    return device


def named_devices() -> str:
    """The names of all devices whose speed is known, for messages."""
    return ", ".join(repr(device.name) for device in NAMED)


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
