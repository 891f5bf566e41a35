"""Predicted time of a step: a roofline for each operator, with the efficiency that measurements gave. An estimate.

A call takes its arithmetic and its memory traffic at the peaks of the device, each times a factor for its class of
operators, and what a kernel takes to start: ``a * flops / peak + b * bytes / bandwidth + launches * kernel``. What
calls cost on the host runs beside the kernels, so a step takes whichever is longer. On a device like no card that was
measured, a call takes as long as its arithmetic or its traffic, whichever is longer, and a launch: S. Williams,
A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for multicore architectures", CACM 52(4),
2009.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from ..errors import UsageError
from .calibration import time_fit
from .device import Device
from .devices import find_device
from .fits import ONE, Accuracy, Fit, Way
from .frozen import freeze
from .links import link_of
from .operator_classes import arithmetic_of, class_of
from .work import Work

BOUNDS = ("compute", "bandwidth", "launch")
"""What can bind: arithmetic, memory traffic, starting kernels (on the device, and where it is slower on the host)."""

LINK = "link"
"""What binds where the link between ranks takes longer than all else of a step."""

PAYS = Fraction(9, 10)
"""The share of the most samples per second at which a larger batch has stopped to pay."""

LOOP = 300
"""Nanoseconds of a step of a loop that waits for memory, about the latency of that of a GPU. Compiled code has none."""

_NANO = 10**9
_LIGHT = 4
"""How many times less a cast or a copy costs on the host than another call: it has no module of its own."""


def busy(work: Work, device: Device, fit: Fit | None) -> tuple[int, int, int]:
    """Nanoseconds of all calls together on the device: of arithmetic, of traffic, of starting kernels."""
    return _busy(work, class_of(work), device, fit)


def _busy(work: Work, name: str, device: Device, fit: Fit | None) -> tuple[int, int, int]:
    size = work.calls * work.bytes * _NANO
    if fit is None:
        compute = _ratio(work.calls * work.flops * _NANO, device.peak(work.dtype))
        traffic = _ratio(size, device.bandwidth)
        launch = work.calls * work.launches * device.launch
        return (compute, 0, launch) if compute > traffic else (0, traffic, launch)
    of_flops, of_bytes = fit.of(name)
    flops = work.calls * arithmetic_of(work, name, device.multiprocessors) * _NANO if work.flops else 0
    compute = _ratio(flops * of_flops, device.peak(work.dtype) * ONE) if flops else 0
    traffic = _ratio(size * of_bytes, device.bandwidth * ONE)
    loops = 0 if fit.way.compiled or device.kind != "cuda" else work.calls * work.loops * LOOP
    return compute, traffic, work.calls * work.launches * fit.kernel + max(0, loops - _ratio(size, device.bandwidth))


def _on_host(work: Work, name: str, fit: Fit | None) -> int:
    """Nanoseconds that all calls together take on the host."""
    if fit is None:
        return 0
    return work.calls * fit.host // (_LIGHT if name == "copy" else 1)


def _ratio(number: int, by: int) -> int:
    return (2 * number + by) // (2 * by)  # rounded, in whole numbers: the same on every machine


def _times(work: Iterable[Work], device: Device, fit: Fit | None) -> list[tuple[Work, int, int, int]]:
    """The work with its arithmetic, traffic, and launches. What the host takes longer in all is of its launches."""
    named = [(each, class_of(each)) for each in work]
    times = [(each, *_busy(each, name, device, fit)) for each, name in named]
    host = [_on_host(each, name, fit) for each, name in named]
    beyond = max(0, sum(host) - sum(sum(one[1:]) for one in times))
    if not beyond:
        return times
    found, whole, before = [], sum(host), 0
    for (each, compute, traffic, launch), own in zip(times, host, strict=True):
        after = before + own
        found.append((each, compute, traffic, launch + beyond * after // whole - beyond * before // whole))
        before = after
    return found


@dataclass(frozen=True)
class Throughput:
    """The predicted time of one step on a named device. It is an estimate.

    ``bound`` are nanoseconds by what binds (`BOUNDS`, and `LINK` of several ranks), and add up to the step. ``batch``
    is the samples of a step, ``None`` where inputs do not say. ``work`` is what was done, from which any other device
    is predicted, and ``way`` how the step runs. ``sent`` are bytes that a rank sends over ``link``. That runs beside
    the rest of the step, so only what it takes longer than that is in ``bound``, as ``link``. ``accuracy`` says how
    far off it is; ``None`` where no measured card is like the device.
    """

    device: str
    batch: int | None
    bound: Mapping[str, int]
    work: tuple[Work, ...] = ()
    way: Way = field(default_factory=Way)
    accuracy: Accuracy | None = None
    sent: int = 0
    link: str = ""

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
        return max(self.bound, key=lambda name: self.bound[name])

    @property
    def sending(self) -> int:
        """The nanoseconds that ``sent`` takes on the link."""
        return _sending(self.sent, find_device(self.device), self.link)

    def by_operator(self) -> dict[str, int]:
        """Nanoseconds by operator, the longest first. They add up to the step."""
        times: dict[str, int] = {}
        for work, *parts in self._times():
            time = sum(parts)
            times[work.operator] = times.get(work.operator, 0) + time
        if self.bound.get(LINK):
            times[LINK] = self.bound[LINK]
        return dict(sorted(times.items(), key=lambda item: (-item[1], item[0])))

    def by_module(self) -> dict[str, int]:
        """Nanoseconds by module with everything below it; ``""`` is the model. Modules without work are left out."""
        times = {"": self.bound.get(LINK, 0)}
        for work, *parts in self._times():
            name, time = work.module, sum(parts)
            times[""] += time
            while name:
                times[name] = times.get(name, 0) + time
                name = name.rpartition(".")[0]
        return times

    def _times(self) -> list[tuple[Work, int, int, int]]:
        device = find_device(self.device)
        found = time_fit(device, self.way)
        return _times(self.work, device, found[0] if found is not None else None)

    def on(self, device: Any) -> Throughput:
        """The same step on another named device. Raises `UsageError` for one without a speed."""
        link = self.link if link_of(find_device(device), self.link or None) is not None else None
        return predict(self.work, find_device(device), self.batch, self.way, sent=self.sent, link=link or None)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            **vars(self),
            "bound": dict(self.bound),
            "work": [work.to_dict() for work in self.work],
            "way": dict(vars(self.way)),
            "accuracy": dict(vars(self.accuracy)) if self.accuracy is not None else None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Throughput:
        """The inverse of `to_dict`."""
        return cls(
            **{
                **data,
                "work": tuple(Work.from_dict(work) for work in data["work"]),
                "way": Way(**data["way"]),
                "accuracy": Accuracy(**data["accuracy"]) if data["accuracy"] is not None else None,
            }
        )


def predict(
    work: Iterable[Work],
    device: Device,
    batch: int | None,
    way: Way | None = None,
    *,
    sent: int = 0,
    link: str | None = None,
    ranks: int = 1,
) -> Throughput:
    """The time of a step that does ``work``, and in which each of ``ranks`` sends ``sent`` bytes over ``link``.

    What is sent is taken to run beside the rest, as FSDP and DDP let it: the step takes whichever is longer. Raises
    `UsageError` for a device whose speed is not known.
    """
    if not device.has_speed:
        raise UsageError(f"device={device.name!r} names no card, so its speed is not known.")
    work = tuple(work)
    way = way or Way()
    if not way.half:
        half = _is_mostly(work, ("float16", "bfloat16"))
        way = replace(way, half=half, double=not half and _is_mostly(work, ("float64",)))
    fit, accuracy = time_fit(device, way) or (None, None)
    bound = dict.fromkeys(BOUNDS, 0)
    for _, *parts in _times(work, device, fit):
        for name, time in zip(BOUNDS, parts, strict=True):
            bound[name] += time
    found = link_of(device, link, ranks) if sent else None
    if found is None:
        return Throughput(device.name, batch, bound, work, way, accuracy)
    bound[LINK] = max(0, _sending(sent, device, found.name) - sum(bound.values()))
    return Throughput(device.name, batch, bound, work, way, accuracy, sent, found.name)


def _sending(sent: int, device: Device, link: str) -> int:
    """Nanoseconds that bytes take over a link of a device."""
    found = link_of(device, link) if link else None
    return 0 if found is None else _ratio(sent * _NANO, found.speeds[device.generation])


def _is_mostly(work: Iterable[Work], dtypes: Collection[str]) -> bool:
    """Whether most of the arithmetic is in these dtypes, as that of a model whose weights are."""
    part = whole = 0
    for each in work:
        whole += each.calls * each.flops
        if each.dtype in dtypes:
            part += each.calls * each.flops
    return 2 * part > whole


def batch_that_pays(
    points: Iterable[tuple[Throughput, int | None]], *, share: Fraction = PAYS, memory: int | None = None
) -> int | None:
    """The batch at which it stops to pay to go larger: the smallest one with ``share`` of the most samples per second.

    ``points`` are predictions at several batches on one device, each with its footprint (`Cost.footprint`) or its peak
    memory in bytes, or ``None`` where that is not known. Those above ``memory`` (the device's own if not given) are
    left out; ``None`` if none is left. Raises `UsageError` for predictions that cannot be compared.
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
