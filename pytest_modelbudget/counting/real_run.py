"""The same step run for real on the device at hand: its peak memory, and the median of its time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ..values.peak import Measured
from .recording.ledger import Ledger

_RUNS = 5


class _Watching(TorchDispatchMode):
    """Sees the storages of a real run; with nothing else in the way."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self._ledger.record(out, "")
        return out


def device_at_hand() -> torch.device:
    """CUDA where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def time_and_peak(
    step: Callable[[], None], device: torch.device, held: Iterable[torch.Tensor], before: int, *, rules: str
) -> Measured:
    """Run ``step`` twice to warm up, then for its peak, then for its time.

    On CUDA the peak is ``torch.cuda.max_memory_allocated`` above ``before``, what was allocated without the model; on
    a CPU the live bytes of the storages that operators make, and of those ``held``, by the memory ``rules`` asked for.
    """
    step()
    if device.type == "cuda":
        step()
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        step()
        torch.cuda.synchronize(device)
        peak = torch.cuda.max_memory_allocated(device) - before
        name = torch.cuda.get_device_name(device)
    else:
        ledger = Ledger(rules, on_meta=False)
        ledger.hold(held, "weights")
        with _Watching(ledger):
            step()  # what is made here and stays, such as an optimizer's state, is seen
            ledger.phase("step")
            step()
        peak, name = ledger.highest("step"), "cpu"
    times = [_timed(step, device) for _ in range(_RUNS)]
    return Measured(name, peak, round(statistics.median(times)), _RUNS)


def _timed(step: Callable[[], None], device: torch.device) -> int:
    started = time.perf_counter_ns()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter_ns() - started
