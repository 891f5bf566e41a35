"""Predicted time of a step, by a roofline for each operator: an estimate from a data sheet, never a measurement.

A call takes as long as its arithmetic or its memory traffic, whichever is longer, and what it costs to launch it:
``max(flops / peak, bytes / bandwidth) + launches * launch``. Calls run one after the other. S. Williams, A. Waterman,
D. Patterson, "Roofline: an insightful visual performance model for multicore architectures", CACM 52(4), 2009.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..errors import UsageError
from .device import Device
from .devices import find_device
from .frozen import freeze

BOUNDS = ("compute", "bandwidth", "launch")
"""What can bind: arithmetic, memory traffic, starting kernels."""

PAYS = Fraction(9, 10)
"""The share of the most samples per second at which a larger batch has stopped to pay."""

_NANO = 10**9


@dataclass(frozen=True)
class Products:
    """The matrix products that a call is made of: ``groups`` times (``rows``, ``depth``) by (``depth``, ``columns``).

    A convolution has the positions of its output as rows, its output channels as columns, and the elements of a filter,
    of which ``taps`` are positions, as depth. Its gradients have the shape of the forward pass. Attention has queries,
    keys and the size of a head. ``bias``: one is added to a convolution, which is a kernel of its own.
    """

    groups: int
    rows: int
    columns: int
    depth: int
    taps: int = 0
    bias: bool = False


@dataclass(frozen=True)
class Work:
    """Equal calls of one operator in one module: what each computes and moves, on whatever device.

    ``flops`` are two for a multiply-add, and none for what only moves data or is element-wise; ``bytes`` are tensors
    read and written; ``dtype`` is what it computes in (``tf32``: float32 that PyTorch lets tensor cores round);
    ``launches`` are kernels that must follow one another in each call. ``shape`` is that of the products it is made
    of, if it is; ``reorders``: it reads a tensor in another order in memory than it writes.
    """

    module: str
    operator: str
    dtype: str
    flops: int
    bytes: int
    launches: int
    calls: int
    shape: Products | None = None
    reorders: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**vars(self), "shape": dict(vars(self.shape)) if self.shape is not None else None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Work:
        """The inverse of `to_dict`."""
        return cls(**{**data, "shape": Products(**data["shape"]) if data["shape"] is not None else None})

    def time(self, device: Device) -> dict[str, int]:
        """Nanoseconds of all calls together, by what binds: compute or bandwidth, and launch."""
        compute = _ratio(self.calls * self.flops * _NANO, device.peak(self.dtype))
        bandwidth = _ratio(self.calls * self.bytes * _NANO, device.bandwidth)
        launch = self.calls * self.launches * device.launch
        busy = {"compute": compute} if compute > bandwidth else {"bandwidth": bandwidth}
        return {**dict.fromkeys(BOUNDS, 0), **busy, "launch": launch}


def _ratio(number: int, by: int) -> int:
    return (2 * number + by) // (2 * by)  # rounded, in whole numbers: the same on every machine


@dataclass(frozen=True)
class Throughput:
    """The predicted time of one step on a named device. It is an estimate.

    ``bound`` are nanoseconds by what binds (`BOUNDS`), and add up to the step. ``batch`` is the samples of a step,
    ``None`` where inputs do not say. ``work`` is what was done, from which any other device is predicted.
    """

    device: str
    batch: int | None
    bound: Mapping[str, int]
    work: tuple[Work, ...] = ()

    def __post_init__(self) -> None:
        """Nothing in a prediction changes."""
        freeze(self, "bound")

    @property
    def nanoseconds(self) -> int:
        """The step, in whole nanoseconds."""
        return sum(self.bound.values())

    @property
    def seconds(self) -> float:
        """The step, in seconds."""
        return self.nanoseconds / _NANO

    @property
    def samples_per_second(self) -> float | None:
        """Samples per second, where the batch is known."""
        return None if self.batch is None or not self.nanoseconds else self.batch * _NANO / self.nanoseconds

    @property
    def binds(self) -> str:
        """What most of the time goes to."""
        return max(BOUNDS, key=lambda name: self.bound[name])

    def by_operator(self) -> dict[str, int]:
        """Nanoseconds by operator, the longest first. They add up to the step."""
        times: dict[str, int] = {}
        for work, time in self._times():
            times[work.operator] = times.get(work.operator, 0) + time
        return dict(sorted(times.items(), key=lambda item: (-item[1], item[0])))

    def by_module(self) -> dict[str, int]:
        """Nanoseconds by module with everything below it; ``""`` is the model. Modules without work are left out."""
        times = {"": 0}
        for work, time in self._times():
            name = work.module
            times[""] += time
            while name:
                times[name] = times.get(name, 0) + time
                name = name.rpartition(".")[0]
        return times

    def _times(self) -> Iterator[tuple[Work, int]]:
        device = find_device(self.device)
        return ((work, sum(work.time(device).values())) for work in self.work)

    def on(self, device: Any) -> Throughput:
        """The same step on another named device. Raises `UsageError` for one without a speed."""
        return predict(self.work, find_device(device), self.batch)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**vars(self), "bound": dict(self.bound), "work": [work.to_dict() for work in self.work]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Throughput:
        """The inverse of `to_dict`."""
        return cls(**{**data, "work": tuple(Work.from_dict(work) for work in data["work"])})


def predict(work: Iterable[Work], device: Device, batch: int | None) -> Throughput:
    """The time of all work, one call after the other. Raises `UsageError` for a device whose speed is not known."""
    if not device.has_speed:
        raise UsageError(f"device={device.name!r} names no card, so its speed is not known.")
    work = tuple(work)
    bound = dict.fromkeys(BOUNDS, 0)
    for each in work:
        for name, time in each.time(device).items():
            bound[name] += time
    return Throughput(device.name, batch, bound, work)


def batch_that_pays(
    points: Iterable[tuple[Throughput, int | None]], *, share: Fraction = PAYS, memory: int | None = None
) -> int | None:
    """The batch at which it stops to pay to go larger: the smallest one with ``share`` of the most samples per second.

    ``points`` are predictions at several batches on one device, each with its peak memory in bytes, or ``None`` where
    that is not known. Those above ``memory`` (the device's own if not given) are left out; ``None`` if none is left.
    Raises `UsageError` for predictions that cannot be compared.
    """
    points = list(points)
    devices = {point.device for point, _ in points}
    if len(devices) > 1:
        raise UsageError(f"Batches are compared on one device, not on {' and '.join(sorted(map(repr, devices)))}.")
    if any(point.batch is None or not point.nanoseconds for point, _ in points):
        raise UsageError("A prediction without a batch, or without any work, has no samples per second.")
    speeds: dict[int, Fraction] = {}
    for point, used in points:
        most = find_device(point.device).memory if memory is None else memory
        if used is None or used <= most:
            assert point.batch is not None  # seen to above
            speeds[point.batch] = Fraction(point.batch, point.nanoseconds)
    return smallest_that_pays(speeds, share=share)


def smallest_that_pays(speeds: Mapping[int, Fraction], *, share: Fraction = PAYS) -> int | None:
    """The smallest batch with ``share`` of the most samples per second; ``None`` without any."""
    if not speeds:
        return None
    enough = share * max(speeds.values())
    return min(batch for batch, speed in speeds.items() if speed >= enough)
