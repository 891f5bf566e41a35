"""The calibration of a device: its own, or of those in the package the one of the nearest card and way of running."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
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

    Another precision is further away than another card, and another mode than another memory format. Cards of other
    generations lend together, those that are nearer more.
    """
    fits = (device.own or packaged()).fits
    near = sorted(
        (_unlike(way, fit.way), far, i) for i, fit in enumerate(fits) if (far := _far(device, fit.card)) is not None
    )
    if not near:
        return None
    unlike, far, first = near[0]
    apart = far[_APART] if far[0] else 0
    if not apart:
        fit = fits[first]
    else:
        lenders = [one for one in near if one[0] == unlike and one[1][:_APART] == far[:_APART]]
        fit = mean_fit([fits[i] for *_, i in lenders], [1 / each[_APART] for _, each, _ in lenders])
    own = (device.own is not None or fit.card == device.name) and fit.way == way
    percent = fit.percent if own else max(fit.percent, fit.borrowed)
    return fit, Accuracy(percent, fit.card, fit.models, own, ran=way.unlike(fit.way))


def mean_fit(fits: Sequence[Fit], weights: Sequence[float]) -> Fit:
    """The weighted mean of the factors of cards that ran the same way; the first one is the nearest."""
    if len(fits) == 1:
        return fits[0]
    whole = sum(weights)

    def mean(values: Iterable[int]) -> int:
        return round(sum(value * weight for value, weight in zip(values, weights, strict=True)) / whole)

    factors = {
        name: (mean(fit.of(name)[0] for fit in fits), mean(fit.of(name)[1] for fit in fits)) for name in fits[0].factors
    }
    return replace(
        fits[0],
        card=", ".join(fit.card for fit in fits[:-1]) + f" and {fits[-1].card}",
        factors=factors,
        kernel=mean(fit.kernel for fit in fits),
        host=mean(fit.host for fit in fits),
        percent=max(fit.percent for fit in fits),
        borrowed=max(fit.borrowed for fit in fits),
        rows=sum(fit.rows for fit in fits),
        models=max(fit.models for fit in fits),
    )


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
    ladder, ran = one.card if one.right else "", Way(mode).unlike(Way(shown.mode))
    return one, Accuracy(shown.percent, shown.card, shown.models, own, one.right, ladder, ran)


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


_APART = 2
"""The place of generations in how far a card is."""
