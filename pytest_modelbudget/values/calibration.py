"""The calibration of a device: its own, or of those in the package the one of the nearest card and way of running."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from ..text.json import parse
from .device import GENERATIONS, Device
from .device_table import NAMED
from .fits import Accuracy, Calibration, Fit, Memory, Way, read


@cache
def packaged() -> Calibration:
    """The calibration that comes with the package."""
    return read(parse((files(__package__) / "calibration.json").read_text(encoding="utf-8")))


def time_fit(device: Device, way: Way) -> tuple[Fit, Accuracy] | None:
    """The fit for a device and way of running, and how far off its estimates are; ``None`` if no card is like it.

    Another precision is further away than another card, and another mode than another memory format.
    """
    fits = (device.own or packaged()).fits
    near = [
        (_unlike(way, fit.way), far, i) for i, fit in enumerate(fits) if (far := _far(device, fit.card)) is not None
    ]
    if not near:
        return None
    fit = fits[min(near)[2]]
    own = (device.own is not None or fit.card == device.name) and fit.way == way
    return fit, Accuracy(fit.percent if own else max(fit.percent, fit.borrowed), fit.card, fit.models, own)


def memory_fit(device: Device, mode: str) -> tuple[Memory, Accuracy] | None:
    """What a device holds beside live tensors, by the nearest card and mode that were measured.

    Of one card it is known which bytes it shows, of another which batches it holds: the error is that of the nearest
    whose bytes are.
    """
    fits = (device.own or packaged()).memory
    near = [(one.mode != mode, far, i) for i, one in enumerate(fits) if (far := _far(device, one.card)) is not None]
    if not near:
        return None
    ranked = [fits[i] for *_, i in sorted(near)]
    one, shown = ranked[0], next((each for each in ranked if each.percent), ranked[0])
    own = (device.own is not None or shown.card == device.name) and shown.mode == mode
    return one, Accuracy(shown.percent, shown.card, shown.models, own, one.right, one.card if one.right else "")


def _unlike(way: Way, other: Way) -> int:
    """How unlike two ways of running are."""
    return (
        8 * (way.half != other.half)
        + 4 * (way.mode != other.mode)
        + 2 * (way.compiled != other.compiled)
        + (way.channels_last != other.channels_last)
    )


def _far(device: Device, card: str) -> tuple[Any, ...] | None:
    """How far a device is from a card that was measured: markets first, then generations; ``None`` if not alike."""
    if device.name == card or device.own is not None:
        return (0,)
    other = next((one for one in NAMED if one.name == card), None)
    if other is None or device.generation not in GENERATIONS or other.generation not in GENERATIONS:
        return None
    apart = abs(GENERATIONS.index(device.generation) - GENERATIONS.index(other.generation))
    return (1, device.market != other.market, apart, card)
