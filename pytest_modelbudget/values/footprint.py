"""The memory that a step takes of a card, as ``nvidia-smi`` shows it: an estimate by its parts, no measurement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from .calibration import memory_fit
from .device import GIB, Device
from .devices import CARDS, find_device
from .fits import ONE, Accuracy
from .frozen import freeze
from .operator_classes import class_of
from .work import Work

PARTS = ("live", "blocks", "workspaces", "context")
"""What memory of a card is: live tensors; what the allocator holds beyond them, in blocks that are free or not filled;
workspaces of convolutions; CUDA's context with what cuBLAS and cuDNN keep."""


@dataclass(frozen=True)
class Taken:
    """What a step takes on any card, in bytes: live tensors at its peak, and segments of an allocator that has room.

    ``moved`` has the most bytes that a convolution of each class moves, which its workspace depends on. ``tight`` are
    the fewest bytes of segments in which it runs when free ones are given back; no fewer than those that are live.
    """

    live: int
    reserved: int
    moved: Mapping[str, int]
    tight: int = 0

    def __post_init__(self) -> None:
        """Nothing in it changes."""
        freeze(self, "moved")

    @classmethod
    def of(cls, live: int, reserved: int, tight: int, work: Iterable[Work]) -> Taken:
        """What a step takes that does ``work``."""
        moved: dict[str, int] = {}
        for each in work:
            if each.shape is not None and each.shape.taps:
                name = class_of(each)
                moved[name] = max(moved.get(name, 0), each.bytes)
        return cls(live, reserved, moved, tight)


@dataclass(frozen=True)
class Footprint:
    """The bytes that a step takes of a named card. It is an estimate.

    ``memory`` is what the card has. ``parts`` (`PARTS`) add up to ``total``. On a card that gets full, free blocks are
    given back, so the total is no more than that unless ``least``, what the step takes at the least, is. ``accuracy``
    says how far off it is.
    """

    device: str
    mode: str
    memory: int
    parts: Mapping[str, int]
    least: int
    taken: Taken
    accuracy: Accuracy

    def __post_init__(self) -> None:
        """Nothing in an estimate changes."""
        freeze(self, "parts")

    @property
    def total(self) -> int:
        """Bytes, as ``nvidia-smi`` would show them."""
        return sum(self.parts.values())

    @property
    def fits(self) -> bool:
        """Whether the card holds the step."""
        return self.total <= self.memory

    def on(self, device: Any) -> Footprint:
        """The same step on another named card. Raises `UsageError` for what is none."""
        found = footprint(self.taken, find_device(device), self.mode)
        if found is None:
            raise UsageError(f"device={device!r} is like no card whose memory was measured.")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            **vars(self),
            "parts": dict(self.parts),
            "taken": {**vars(self.taken), "moved": dict(self.taken.moved)},
            "accuracy": dict(vars(self.accuracy)),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Footprint:
        """The inverse of `to_dict`."""
        return cls(**{**data, "taken": Taken(**data["taken"]), "accuracy": Accuracy(**data["accuracy"])})


def fills_none(reserved: int, device: Device) -> bool:
    """Whether neither ``device`` nor any named card gets full with segments of so many bytes.

    Of the smallest card the segments take a fourth at most, beside a context and workspaces.
    """
    smallest = min(device.memory, *(card.memory for card in CARDS))
    return 4 * reserved <= smallest - 3 * GIB


def footprint(taken: Taken, device: Device, mode: str) -> Footprint | None:
    """What a step takes of a card; ``None`` for a device that no measured card is like, or that is no GPU by name."""
    known = memory_fit(device, mode) if device.is_card else None
    if known is None:
        return None
    fit, accuracy = known
    workspace = max((size * fit.workspaces.get(name, 0) // ONE for name, size in taken.moved.items()), default=0)
    searched = max((size for name, size in taken.moved.items() if name in fit.workspaces), default=0)
    least = fit.outside + max(taken.live, taken.tight) + searched * fit.searched // ONE
    shown = fit.context + taken.reserved * fit.reserved // ONE + workspace
    total = least if least > device.memory else min(max(shown, taken.live), device.memory)
    context = min(fit.outside if least > device.memory else fit.context, total - taken.live)
    workspace = min(workspace, total - taken.live - context)
    blocks = total - taken.live - context - workspace
    parts = {"live": taken.live, "blocks": blocks, "workspaces": workspace, "context": context}
    return Footprint(device.name, mode, device.memory, parts, least, taken, accuracy)
