"""One run of a model under the recorders of a count, on the meta device or for real, and the `Cost` of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from ..values.cost import Cost
from ..values.footprint import Taken, fills_none, footprint
from ..values.peak import Peak
from ..values.request import Request
from ..values.throughput import Throughput, predict
from ..values.work import Work
from .blame import NeedsRealRun, before_forward, blaming
from .meta.attention import attention_kernels
from .meta.autocast import autocast_by_rules_of, autocast_of
from .meta.constants import ConstantsMode
from .meta.devices import device_stand_in
from .meta.execution import MetaExecution
from .meta.layout import as_a_card_lays_out
from .meta.optimizers import optimizers_on_meta
from .model.call import Attempt, Call, ready
from .model.modules import weights_of
from .model.packed import packed_bytes
from .model.process import without_compiler
from .model.rows import counted_cost
from .model.target import TargetModel
from .model.tree import ModuleTree
from .recording.allocations import Allocations
from .recording.allocator import reserved_bytes, tight_bytes
from .recording.context import counting
from .recording.counting_mode import CountingMode
from .recording.ledger import Ledger
from .recording.made import note_references
from .recording.outside import OutsideMode
from .recording.tensors import tensors_in
from .recording.training import TrainingStep, counted_step
from .recording.work import WorkRecorder
from .training_step import training_step


def counted_run(target: TargetModel, request: Request, attempt: Attempt, notes: Sequence[str] = ()) -> Cost:
    """Run a model once and count it. ``notes`` are what the cost says of the model and of earlier attempts.

    Raises `ModelError`, `NeedsRealRun` and `NeedsGrad` as `blaming` does, and `NeedsDevice` as `device_stand_in` does.
    """
    point, card = request.point, request.card
    with before_forward(), ready(target, request, attempt) as call:
        tree = ModuleTree.of(call.model)
        allocations = Allocations() if request.allocates else None
        ledger = Ledger(point.rules, on_meta=not attempt.real, allocations=allocations)
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
        mode = CountingMode(
            tree.names, execution, ledger, fused=point.attention != "math", work=work, sharded=target.sharded
        )
        outside = OutsideMode(mode) if attempt.real or attempt.keep_small_data else None
        try:
            with (
                blaming(call.model, call.given, request, execution=execution, grad=attempt.grad),
                _following(ledger) if target.sharded else nullcontext(),
            ):
                peak = _run(call, request, attempt, mode, outside)
            done = work.work() if work is not None else None
            taken = _taken(request, allocations, peak, done)
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
            sharded=target.sharded or point.world is not None,
            inputs=call.given,
            executed="real" if attempt.real else "meta",
            notes=(*notes, *(outside.notes() if outside is not None else ())),
            throughput=_predicted(request, done, mode.tallies.communication()),
            device_memory=footprint(taken, card, point.mode) if card is not None and taken is not None else None,
        )


def _following(ledger: Ledger) -> AbstractContextManager[None]:
    """Follow in ``ledger`` what a sharded model gathers, frees and keeps for its replicas."""
    from .sharded.running import sharded_run  # it imports DTensor and FSDP

    return sharded_run(
        ledger.resized,
        lambda tensors: ledger.reassign(tensors, "gathered"),
        lambda: ledger.made_as("gradients"),
    )


def _settling_steps(call: Call) -> int:
    from .sharded.replicas import settling_steps  # it imports DTensor and FSDP

    return settling_steps(call.modules)


def _renew_reducers(call: Call, ledger: Ledger) -> None:
    from .sharded.replicas import renew_reducers  # it imports DTensor and FSDP

    with ledger.made_as("gradients"):
        renew_reducers(call.modules)


def _predicted(request: Request, work: tuple[Work, ...] | None, sent: int) -> Throughput | None:
    """The time of the step, where a card was asked for."""
    if request.card is None or work is None:
        return None
    point = request.point
    return predict(work, request.card, point.samples, point.way, sent=sent, link=point.link, ranks=point.world or 1)


def _taken(
    request: Request, allocations: Allocations | None, peak: Peak, work: tuple[Work, ...] | None
) -> Taken | None:
    """What the step takes on a card, where one was asked for. How tight it is matters for one that gets full."""
    if allocations is None or work is None or request.card is None:
        return None
    reserved = max(peak.total, reserved_bytes(allocations))
    tight = reserved if fills_none(reserved, request.card) else tight_bytes(allocations, peak.total, reserved)
    return Taken.of(peak.total, reserved, tight, work)


def _least_memory(call: Call, ledger: Ledger, *, training: bool) -> int:
    """The bytes that a run takes at least, by how far it came: its peak until then, or its weights with gradients."""
    gradients = sum(p.nbytes for p in call.model.parameters() if p.requires_grad) if training else 0
    return max(ledger.highest_of_all(), ledger.held() + gradients)


def _run(call: Call, request: Request, attempt: Attempt, mode: CountingMode, outside: OutsideMode | None) -> Peak:
    """Run forward, or a training step, under ``mode``. Returns its peak."""
    point = request.point
    if point.mode == "train":
        with optimizers_on_meta():
            step = training_step(call, request, point.rules, settles=_settling_steps(call) if mode.sharded else 0)
            for optimizer in step.optimizers:  # some have state before their first step
                mode.ledger.hold(tensors_in(optimizer.state), "optimizer")
            return _run_under(call, request, attempt, mode, outside, step)
    return _run_under(call, request, attempt, mode, outside, None)


def _run_under(
    call: Call,
    request: Request,
    attempt: Attempt,
    mode: CountingMode,
    outside: OutsideMode | None,
    step: TrainingStep | None,
) -> Peak:
    point, real = request.point, attempt.real
    with (
        as_a_card_lays_out(active=bool(point.channels_last) or request.allocates),
        device_stand_in(call.device, active=attempt.any_device),
        ConstantsMode() if attempt.keep_small_data else nullcontext(),
        attention_kernels(point.attention, real=real),
        autocast_by_rules_of(point.rules, on=call.device.type),
        counting(mode, grad=attempt.grad, outside=outside),
        without_compiler(),
    ):
        if mode.sharded:
            _renew_reducers(call, mode.ledger)
        if step is not None:
            return counted_step(step, mode)
        with autocast_of(point.amp, point.rules)():
            if mode.sharded:  # only then are parameters that stay gathered as in every later pass
                arguments, keywords = call.again()
                call.called(*arguments, **keywords)
                mode.start_again()
            out = call.called(*call.arguments, **call.keywords)
        if outside is not None:
            outside.returned(out)
        del out
        return mode.ledger.peak(("forward",))
