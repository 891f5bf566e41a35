"""One run of a model under the recorders of a count, on the meta device or for real, and the `Cost` of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from ..values.cost import Cost
from ..values.peak import Peak
from ..values.request import Request
from ..values.throughput import predict
from .blame import NeedsRealRun, before_forward, blaming
from .meta.attention import attention_kernels
from .meta.autocast import autocast_by_rules_of, autocast_of
from .meta.constants import ConstantsMode
from .meta.devices import device_stand_in
from .meta.execution import MetaExecution
from .meta.optimizers import fused_optimizers_on_meta
from .model.call import Attempt, Call, ready
from .model.modules import weights_of
from .model.packed import packed_bytes
from .model.process import without_compiler
from .model.rows import counted_cost
from .model.target import TargetModel
from .model.tree import ModuleTree
from .recording.context import counting
from .recording.counting_mode import CountingMode
from .recording.ledger import Ledger
from .recording.made import note_references
from .recording.optimizers import make_optimizer
from .recording.outside import OutsideMode
from .recording.tensors import tensors_in
from .recording.training import counted_step
from .recording.work import WorkRecorder


def counted_run(target: TargetModel, request: Request, attempt: Attempt, notes: Sequence[str] = ()) -> Cost:
    """Run a model once and count it. ``notes`` are what the cost says of the model and of earlier attempts.

    Raises `ModelError`, `NeedsRealRun` and `NeedsGrad` as `blaming` does, and `NeedsDevice` as `device_stand_in` does.
    """
    point, card = request.point, request.card
    with before_forward(), ready(target, request, attempt) as call:
        tree = ModuleTree.of(call.model)
        ledger = Ledger(point.rules, on_meta=not attempt.real)
        execution = (
            None
            if attempt.real
            else MetaExecution(
                keep_small_data=attempt.keep_small_data, overwritten=attempt.overwritten, copied=ledger.stands_for
            )
        )
        ledger.hold(weights_of(call.model, call.modules), "weights")
        ledger.hold_bytes(packed_bytes(call.modules), "weights")
        ledger.hold(tensors_in((call.arguments, call.keywords)), "inputs")
        work = WorkRecorder() if card is not None else None
        mode = CountingMode(tree.names, execution, ledger, fused=point.attention != "math", work=work)
        outside = OutsideMode(mode) if attempt.real or attempt.keep_small_data else None
        try:
            with blaming(call.model, call.given, request, execution=execution, grad=attempt.grad):
                peak = _run(call, request, attempt, mode, outside)
        except NeedsRealRun as need:
            need.at_least = _least_memory(call, ledger, training=point.mode == "train")
            raise
        finally:
            note_references(ledger.release())
        return counted_cost(
            tree,
            mode.tallies,
            peak,
            point=point,
            convention=request.convention,
            inputs=call.given,
            executed="real" if attempt.real else "meta",
            notes=(*notes, *(outside.notes() if outside is not None else ())),
            throughput=predict(work.work(), card, point.batch) if card is not None and work is not None else None,
        )


def _least_memory(call: Call, ledger: Ledger, *, training: bool) -> int:
    """The bytes that a run takes at least, by how far it came: its peak until then, or its weights with gradients."""
    gradients = sum(p.nbytes for p in call.model.parameters() if p.requires_grad) if training else 0
    return max(ledger.highest_of_all(), ledger.held() + gradients)


def _run(call: Call, request: Request, attempt: Attempt, mode: CountingMode, outside: OutsideMode | None) -> Peak:
    """Run forward, or a training step, under ``mode``. Returns its peak."""
    point = request.point
    if point.mode == "train":
        with fused_optimizers_on_meta():
            optimizer = make_optimizer(request.optimizer or str(point.optimizer), call.model, point.rules)
            if optimizer is not None:  # some have state before their first step
                mode.ledger.hold(tensors_in(optimizer.state), "optimizer")
            return _run_under(call, request, attempt, mode, outside, optimizer)
    return _run_under(call, request, attempt, mode, outside, None)


def _run_under(
    call: Call, request: Request, attempt: Attempt, mode: CountingMode, outside: OutsideMode | None, optimizer: Any
) -> Peak:
    point, real = request.point, attempt.real
    with (
        device_stand_in(call.device, active=attempt.any_device),
        ConstantsMode() if attempt.keep_small_data else nullcontext(),
        attention_kernels(point.attention, real=real),
        autocast_by_rules_of(point.rules, on=call.device.type),
        counting(mode, grad=attempt.grad, outside=outside),
        without_compiler(),
    ):
        forward = autocast_of(point.amp, point.rules)
        if point.mode != "train":
            with forward():
                out = call.model(*call.arguments, **call.keywords)
            if outside is not None:
                outside.returned(out)
            del out
            return mode.ledger.peak(("forward",))
        return counted_step(
            call.model,
            call.arguments,
            call.keywords,
            mode,
            loss=request.loss,
            optimizer=optimizer,
            forward=forward,
        )
