"""The limits among the arguments of a budget or a fit: a metric each, and ``fits=True`` for what the device holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import UsageError
from .devices import find_device, named_devices
from .metrics import find_metric, metric_names, parse_limit, show_limit

FITS = "fits"
"""The limit that is a device's own: its footprint there is no more than its memory."""


def limit_names() -> tuple[str, ...]:
    """The names of all limits."""
    return (*metric_names(), FITS)


def take_limits(given: dict[str, Any], *, left_open: Iterable[str] = (), whole: bool = True) -> dict[str, int]:
    """Take the limits out of arguments, as whole numbers by metric. Raises `UsageError`.

    A limit on an estimate needs a named device among the arguments, and so does one that is ``left_open``, to be filled
    in. Not ``whole`` are defaults, which may get the device later.
    """
    limits = {name: parse_limit(given.pop(name), name) for name in metric_names() if name in given}
    fits = given.pop(FITS, None)
    if fits is not None and not isinstance(fits, bool):
        raise UsageError(f"{FITS}={fits!r} is neither True nor False: it asks whether the device named holds the step.")
    value = given.get("device")
    device = find_device(value) if value is not None else None
    found = "no device" if device is None else f"device={value!r}, which names no card"
    there = f"Name one whose speed is known, such as device='T4'. There are: {named_devices()}."
    if fits and device is not None and device.has_speed:
        limits["footprint"] = min(device.memory, limits.get("footprint", device.memory))
    elif fits and whole:
        raise UsageError(f"{FITS}=True asks what a named device holds, and here is {found}. {there}")
    for name in (*limits, *left_open):
        if whole and find_metric(name).estimate and (device is None or not device.has_speed):
            shown = repr(show_limit(limits[name], name)) if name in limits else "..."
            what = "a predicted time" if name == "latency" else "the memory of a card"
            raise UsageError(f"{name}={shown} is a limit on {what}, and here is {found}. {there}")
        if whole and name == "footprint" and device is not None and device.kind != "cuda":
            raise UsageError(f"{name}= is a limit on the memory of a GPU, and device={value!r} is none.")
    return limits
