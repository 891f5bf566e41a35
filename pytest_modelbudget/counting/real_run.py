"""The step of a request run for real on the device at hand: its peak memory, and the median of its time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch

from ..values.peak import Measured
from ..values.request import Request
from .blame import NeedsGrad, blaming
from .leftovers.leftovers import let_go
from .meta.attention import attention_kernels
from .meta.autocast import autocast_of
from .meta.devices import on_any_device
from .meta.execution import has_own_dispatch
from .model.call import ready_on
from .model.modules import weights_of
from .model.packed import packed_bytes
from .model.target import model_of
from .pytorch.higher_order import higher_order_operators_dispatched
from .pytorch.private import TorchDispatchMode
from .recording.ledger import Ledger
from .recording.made import note_references
from .recording.tensors import tensors_in
from .recording.training import plain_step
from .training_step import training_step

_RUNS = 5


def real_run(target: Any, request: Request) -> Measured:
    """Run the step of a request for real: on CUDA where there is one, else on the CPU. A forward pass has no autograd,
    unless it asks for that.

    Raises `ModelError` when the model's own code raises, and as `model_of` does.
    """
    try:
        return _run(target, request, grad=request.point.mode == "train")
    except NeedsGrad as need:
        let_go(need)
        return _run(target, request, grad=True)


def _run(target: Any, request: Request, *, grad: bool) -> Measured:
    device, point = torch.device("cuda" if torch.cuda.is_available() else "cpu"), request.point
    model = model_of(target, request, real=True)
    allocated = torch.cuda.memory_allocated() if device.type == "cuda" else 0
    with ready_on(device, model, request) as call:
        training = training_step(call, request, device.type) if point.mode == "train" else None
        forward = autocast_of(point.amp, device.type)

        def step() -> None:
            with attention_kernels(point.attention, real=True):
                if training is not None:
                    plain_step(training)
                    return
                arguments, keywords = call.again()
                with nullcontext() if grad else torch.no_grad(), forward():
                    call.called(*arguments, **keywords)

        ledger = Ledger(point.rules, on_meta=False)
        ledger.hold(weights_of(call.model, call.modules), "weights")
        ledger.hold_bytes(packed_bytes(call.modules), "weights")
        ledger.hold(tensors_in((call.arguments, call.keywords)), "inputs")
        for optimizer in training.optimizers if training is not None else ():  # some have state before their first step
            ledger.hold(tensors_in(optimizer.state), "optimizer")
        try:
            with blaming(call.model, call.given, request, grad=grad), higher_order_operators_dispatched():
                run = partial(_measured, step, device, ledger, allocated)
                measured: Measured = run() if device.type == "cuda" else on_any_device(run, device)
                return measured
        finally:
            note_references(ledger.release())


class _StorageMode(TorchDispatchMode):
    """Records the storages that operators allocate, and does nothing else."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False, so that PyTorch does not import its compiler, which would keep the tensors of frames below it."""
        return False

    supports_higher_order_operators = True

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if types and has_own_dispatch(types):
            return NotImplemented
        out = func(*args, **(kwargs or {}))
        self._ledger.record(out, "")
        return out


def _measured(step: Callable[[], None], device: torch.device, ledger: Ledger, allocated: int) -> Measured:
    """Run ``step`` to warm up, then for its peak, then for its time.

    On CUDA the peak is ``torch.cuda.max_memory_allocated`` less ``allocated``, the bytes that were allocated before the
    model was there. On a CPU it is the live bytes of the storages that operators allocate and of those that ``ledger``
    holds.
    """
    with _StorageMode(ledger):
        step()  # what it allocates that stays, such as the state of an optimizer, is recorded
    if device.type == "cuda":
        step()
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        step()
        torch.cuda.synchronize(device)
        peak = torch.cuda.max_memory_allocated(device) - allocated
        name = torch.cuda.get_device_name(device)
    else:
        with _StorageMode(ledger):
            step()
            ledger.phase("step")
            step()
        peak, name = ledger.highest("step"), "cpu"
    times = [_timed(step, device) for _ in range(_RUNS)]
    return Measured(name, peak, round(statistics.median(times)), _RUNS)


def _timed(step: Callable[[], None], device: torch.device) -> int:
    """The time of one step in nanoseconds."""
    started = time.perf_counter_ns()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter_ns() - started
