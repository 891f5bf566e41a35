"""The limits among the arguments of a budget or a fit: a metric each, and ``fits=True`` for what the device holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import UsageError
from .device import Device
from .devices import OWN_DEVICE, find_device, named_devices
from .metrics import find_metric, metric_names, parse_limit

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
    written = {name: given.pop(name) for name in metric_names() if name in given}
    limits = {name: parse_limit(value, name) for name, value in written.items()}
    fits = given.pop(FITS, None)
    if fits is not None and not isinstance(fits, bool):
        raise UsageError(f"{FITS}={fits!r} is neither True nor False: it asks whether the device named holds the step.")
    value = given.get("device")
    device = find_device(value) if value is not None else None
    if fits and whole:
        _check_device(f"{FITS}=True asks what a named device holds", value, device, gpu=True)
    if fits and device is not None and device.is_card:
        limits["footprint"] = min(device.memory, limits.get("footprint", device.memory))
    for name in (*written, *left_open):
        if whole and find_metric(name).estimate:
            gpu = not find_metric(name).in_modules
            what = "the memory of a GPU" if gpu else "a predicted time"
            shown = repr(written[name]) if name in written else "..."
            _check_device(f"{name}={shown} is a limit on {what}", value, device, gpu=gpu)
    return limits


def _check_device(asked: str, value: Any, device: Device | None, *, gpu: bool) -> None:
    """Raise `UsageError` for a device without a speed, or that is no ``gpu`` where one is asked for."""
    if device is None:
        found = "no device"
    elif not device.has_speed:
        found = f"device={value!r}, which names no card"
    elif gpu and not device.is_card:
        found = f"device={value!r}, which is no GPU"
    else:
        return
    one = "the card of a GPU" if gpu else "one whose speed is known"
    raise UsageError(
        f"{asked}, and here is {found}. Name {one}, such as device='T4'. There are: {named_devices(gpus=gpu)}, and "
        f"{OWN_DEVICE}."
    )
