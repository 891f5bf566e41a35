"""From the device at hand to its calibration: its peaks by two probes, then small models, measured and fitted."""

from __future__ import annotations

import datetime
import math
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from ...values.device import Device
from ...values.fits import Calibration, Fit, Memory, Way
from ...values.request import Request
from ...values.work import Measurement
from ..machine_memory import machine_memory
from ..measure import count
from .fit import KERNELS, believed, by_class, columns, fitted
from .models import SMALL, Small

_STRENGTH = 0.3
"""How many steps a factor of the prior weighs as much as."""


class Calibrated(NamedTuple):
    """A device with its calibration, and what that was fitted to."""

    device: Device
    steps: tuple[Measurement, ...]


class _Timed(NamedTuple):
    small: Small
    batch: int
    way: Way
    row: Any
    seconds: float


def calibrate(name: str, *, seconds: float = 0.5, progress: Callable[[int, int], None] | None = None) -> Calibrated:
    """Measure the device that PyTorch finds: CUDA where it is there, else the CPU. ``seconds`` is spent on each step.

    ``name`` is what estimates call the device.
    """
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    device = _probed(name, kind, seconds)
    ways = [Way(mode, half) for mode in ("infer", "train") for half in ((False, True) if kind == "cuda" else (False,))]
    wanted = [(way, small, batch) for way in ways for small in SMALL for batch in small.batches]
    timed = []
    for number, (way, small, batch) in enumerate(wanted):
        timed.append(_timed(device, way, small, batch, seconds))
        if progress is not None:
            progress(number + 1, len(wanted))
    fits, steps = [], []
    for way in ways:
        fit, found = _fit(name, way, [one for one in timed if one.way == way])
        fits.append(fit)
        steps += found
    today = datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat()
    source = f"modelbudget calibrate, torch {torch.__version__}, {platform.machine()}"
    own = Calibration(today, (source,), tuple(fits), _memory(name, source) if kind == "cuda" else ())
    return Calibrated(
        Device(
            name, kind, device.peaks, device.bandwidth, device.memory, device.launch, source,
            multiprocessors=device.multiprocessors, own=own,
        ),
        tuple(steps),
    )  # fmt: skip


def name_of_device() -> str:
    """What PyTorch calls the device that `calibrate` measures."""
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"


def _probed(name: str, kind: str, seconds: float) -> Device:
    """Peaks by one product of matrices in each dtype, bandwidth by one copy, a launch by the smallest addition."""
    peaks = {}
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        side = 2048 if kind == "cuda" else 512
        left = torch.ones(side, side, dtype=dtype, device=kind)
        peaks[str(dtype).removeprefix("torch.")] = round(
            2 * side**3 / _median(partial(torch.mm, left, left), kind, seconds)
        )
    peaks["tf32"] = peaks["float32"]
    source = torch.ones(1 << (27 if kind == "cuda" else 25), dtype=torch.uint8, device=kind)
    target = torch.empty_like(source)
    bandwidth = round(2 * source.numel() / _median(lambda: target.copy_(source), kind, seconds))
    one = torch.ones(1, device=kind)
    launch = max(1, round(1e9 * _median(lambda: one + one, kind, seconds)))
    if kind != "cuda":
        return Device(name, kind, peaks, bandwidth, machine_memory() or 1, launch, "probed")
    found = torch.cuda.get_device_properties(0)
    return Device(
        name, kind, peaks, bandwidth, found.total_memory, launch, "probed", multiprocessors=found.multi_processor_count
    )


def _timed(device: Device, way: Way, small: Small, batch: int, seconds: float) -> _Timed:
    """Count one step and run it."""
    options: dict[str, Any] = {"optimizer": "sgd"} if way.mode == "train" else {}
    if way.half:
        options["amp"] = "fp16"
    request = Request.of(inputs=("batch", *small.shape), batch=batch, mode=way.mode, device="T4", **options)
    throughput = count(small.build, request).throughput
    assert throughput is not None  # a card is named, so that its work is recorded
    return _Timed(small, batch, way, columns(throughput.work, device), _run(device.kind, way, small, batch, seconds))


def _run(kind: str, way: Way, small: Small, batch: int, seconds: float) -> float:
    """The median seconds of a step."""
    model = small.build().to(kind).train(way.mode == "train")
    inputs = torch.randn(batch, *small.shape, device=kind)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)

    def step() -> None:
        with torch.autocast(kind, dtype=torch.float16, enabled=way.half):
            out = model(inputs)
        if way.mode == "train":
            optimizer.zero_grad()
            out.float().sum().backward()
            optimizer.step()

    with torch.set_grad_enabled(way.mode == "train"):
        return _median(step, kind, seconds)


def _median(step: Callable[[], Any], kind: str, seconds: float) -> float:
    """The median seconds of a step: for so many seconds, and three times at the least, after two to warm up."""
    wait = torch.cuda.synchronize if kind == "cuda" else (lambda: None)
    for _ in range(2):
        step()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        wait()
        start = time.perf_counter()
        step()
        wait()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _fit(name: str, way: Way, timed: list[_Timed]) -> tuple[Fit, list[Measurement]]:
    """The factors of one way of running, and each step as predicted by a fit without its model."""
    factors = _factors(timed)
    steps = list(_unseen(timed))
    percent = math.ceil(100 * statistics.median(abs(one.predicted / one.measured - 1) for one in steps))
    return (
        Fit(
            card=name,
            way=way,
            factors=by_class(factors),
            kernel=round(factors[KERNELS] * 1e9),
            host=0,
            percent=percent,
            borrowed=percent,
            rows=len(timed),
            models=len({one.small.name for one in timed}),
            source="modelbudget calibrate",
        ),
        steps,
    )


def _factors(timed: list[_Timed]) -> Any:
    rows = np.array([one.row for one in timed])
    return fitted(rows, np.array([one.seconds for one in timed]), believed(), _STRENGTH)


def _unseen(timed: list[_Timed]) -> Iterator[Measurement]:
    for name in dict.fromkeys(one.small.name for one in timed):
        factors = _factors([one for one in timed if one.small.name != name])
        for one in timed:
            if one.small.name == name:
                yield Measurement(name, one.batch, one.way, float(one.row @ factors), one.seconds)


def _memory(name: str, source: str) -> tuple[Memory, ...]:
    """What the card holds beside the allocator's blocks, after the steps: CUDA's context, and what libraries keep."""
    free, total = torch.cuda.mem_get_info()
    context = max(0, total - free - torch.cuda.memory_reserved())
    return tuple(Memory(name, mode, context, 1000, context, 0, {}, 0, 0, 1, 1, source) for mode in ("infer", "train"))
