"""One run of a model under the recorders of a count, on the meta device or for real, and the `Cost` of it."""

from __future__ import annotations

from collections.abc import Sequence

from ..values.cost import Cost
from ..values.peak import Peak
from ..values.request import Request
from ..values.throughput import predict
from .blame import NeedsRealRun, blaming
from .leftovers.made import note_references
from .meta.attention import attention_kernels
from .meta.autocast import autocast_of
from .meta.execution import MetaExecution
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
from .recording.optimizers import make_optimizer
from .recording.tensors import tensors_in
from .recording.training import counted_step
from .recording.work import WorkRecorder


def counted_run(target: TargetModel, request: Request, attempt: Attempt, notes: Sequence[str] = ()) -> Cost:
    """Run a model once and count it. ``notes`` are what the cost says of the model and of earlier attempts.

    Raises `ModelError`, `NeedsRealRun` and `NeedsGrad` as `blaming` does.
    """
    point, card = request.point, request.card
    with ready(target, request, attempt) as call:
        tree = ModuleTree.of(call.model)
        execution = None if attempt.real else MetaExecution(keep_small_data=attempt.keep_small_data)
        ledger = Ledger(point.rules, on_meta=not attempt.real)
        ledger.hold(weights_of(call.model, call.modules), "weights")
        ledger.hold_bytes(packed_bytes(call.modules), "weights")
        ledger.hold(tensors_in((call.arguments, call.keywords)), "inputs")
        work = WorkRecorder() if card is not None else None
        mode = CountingMode(tree.names, execution, ledger, fused=point.attention != "math", work=work)
        try:
            with blaming(call.model, call.given, request, execution=execution, grad=attempt.grad):
                peak = _run(call, request, attempt, mode)
        finally:
            note_references(ledger.release())
        reason = execution.missing.reason() if execution is not None else None
        if reason is not None:
            raise NeedsRealRun(reason)
        return counted_cost(
            tree,
            mode.tallies,
            peak,
            point=point,
            convention=request.convention,
            inputs=call.given,
            executed="real" if attempt.real else "meta",
            notes=tuple(notes),
            throughput=predict(work.work(), card, point.batch) if card is not None and work is not None else None,
        )


def _run(call: Call, request: Request, attempt: Attempt, mode: CountingMode) -> Peak:
    """Run forward, or a training step, under ``mode``. Returns its peak."""
    point, real = request.point, attempt.real
    device_type = "cpu" if real else point.rules
    forward = autocast_of(point.amp, device_type, real=real)
    if point.mode != "train":
        with attention_kernels(point.attention, real=real), counting(mode, grad=attempt.grad), without_compiler():
            with forward():
                call.model(*call.arguments, **call.keywords)
            return mode.ledger.peak(("forward",))
    optimizer = make_optimizer(request.optimizer or str(point.optimizer), call.model, point.rules)
    recompute = autocast_of(point.amp, device_type, real=real, recompute=True)
    with attention_kernels(point.attention, real=real), counting(mode, grad=attempt.grad), without_compiler():
        return counted_step(
            call.model,
            call.arguments,
            call.keywords,
            mode,
            loss=request.loss,
            optimizer=optimizer,
            forward=forward,
            recompute=recompute,
        )
