"""Fits factors by class of operators to measured times.

Times are linear in the factors. They are fitted to the relative error, of which large ones do not rule (iteratively
reweighted least squares for its absolute value), none is negative, and each is held near a prior, so that a class that
few steps have keeps what is believed of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...values.device import Device
from ...values.fits import ONE
from ...values.operator_classes import CLASSES, arithmetic_of, class_of
from ...values.throughput import LOOP
from ...values.work import Work

Array = Any  # numpy's own types differ between the versions that are supported

KERNELS = 2 * len(CLASSES)
"""The column of launches, behind those of arithmetic and of traffic."""

LOOPS = KERNELS + 1
"""The column of loops, whose seconds are known."""

_COMPUTE, _TRAFFIC, _KERNEL = 1.3, 1.2, 3e-6
"""What is believed before anything is measured: peaks are reached to 80 %, a kernel takes 3 us to start."""

_KNOWN = 1e4
"""How many times closer to what is believed a factor stays that is known."""

_WIDTH = 0.15
"""A factor that is wrong by its whole size weighs as an error of 15 %."""


def columns(work: Iterable[Work], device: Device, *, compiled: bool = False) -> Array:
    """What factors multiply in one step: arithmetic and traffic at the peaks by class, launches, loops.

    All are in seconds but launches, which are a number.
    """
    found = np.zeros(LOOPS + 1)
    for one in work:
        name = class_of(one)
        place = CLASSES.index(name)
        found[place] += one.calls * arithmetic_of(one, name, device.multiprocessors) / device.peak(one.dtype)
        found[len(CLASSES) + place] += one.calls * one.bytes / device.bandwidth
        found[KERNELS] += one.calls * one.launches
        if one.loops and device.kind == "cuda" and not compiled:
            found[LOOPS] += one.calls * max(0.0, one.loops * LOOP / 1e9 - one.bytes / device.bandwidth)
    return found


def believed() -> Array:
    """The prior of a fit that has no other."""
    return np.concatenate([np.full(len(CLASSES), _COMPUTE), np.full(len(CLASSES), _TRAFFIC), [_KERNEL, 1.0]])


def fitted(steps: Array, seconds: Array, prior: Array, strength: float, rounds: int = 6) -> Array:
    """The factors of steps, a row of `columns` each. A factor of the prior weighs as much as ``strength`` of them."""
    matrix = np.asarray(steps) / np.asarray(seconds)[:, None]
    pull = np.diag(np.sqrt(strength) * _WIDTH / np.maximum(prior, 1e-12))
    pull[LOOPS, LOOPS] *= _KNOWN
    found = prior.copy()
    for _ in range(rounds):
        error = np.abs(matrix @ found - 1)
        weight = 1 / np.sqrt(np.maximum(error, 0.02) / 0.1)
        found = _not_negative(
            np.vstack([matrix * weight[:, None], pull]), np.concatenate([weight, pull @ prior]), found
        )
    return found


def _not_negative(system: Array, wanted: Array, start: Array, rounds: int = 400) -> Array:
    """Least squares without negative numbers, by coordinate descent."""
    scale = np.maximum(np.abs(start), 1e-12)
    scaled = system * scale
    square, right = scaled.T @ scaled, scaled.T @ wanted
    diagonal = np.maximum(np.diag(square), 1e-15)
    found = start / scale
    for _ in range(rounds):
        largest = 0.0
        for i in range(len(found)):
            new = max(0.0, found[i] - (square[i] @ found - right[i]) / diagonal[i])
            largest, found[i] = max(largest, abs(new - found[i])), new
        if largest < 1e-6:
            break
    return found * scale


def by_class(factors: Array) -> dict[str, tuple[int, int]]:
    """Factors of arithmetic and of traffic in thousandths, by class."""
    half = len(CLASSES)
    return {name: (round(factors[i] * ONE), round(factors[half + i] * ONE)) for i, name in enumerate(CLASSES)}
