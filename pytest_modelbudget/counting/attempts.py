"""The attempts of a count: on the meta device, with autograd on, with the data of small tensors, and for real."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..errors import ModelError, UsageError
from ..values.cost import Cost
from ..values.request import Request
from .blame import NeedsGrad, NeedsRealRun
from .counted_run import counted_run
from .fvcore import fvcore_cost
from .leftovers.leftovers import let_go
from .machine_memory import refuse_too_large
from .meta.devices import NeedsDevice
from .model.call import Attempt
from .model.process import seed
from .model.target import TargetModel, model_of

_DIFFERENTIATES = "The model differentiates in its forward pass: it was counted with autograd on."


def cost_of(target: Any, request: Request, *, between: Callable[[], None]) -> Cost:
    """Count the model of ``target`` by the first attempt that works. ``between`` is called before the others.

    All attempts that work give the same counts; each takes more time than the one before. Notes of the cost, and the
    error of a real run, say what the attempt before it failed for. Raises `TargetError` when the factory fails,
    `ModelError` when the model's own code raises, or for a real run that does not fit in memory.
    """
    if request.counter == "fvcore":
        return fvcore_cost(_allowed(model_of(target, request, real=True), request), request)
    model = _allowed(model_of(target, request, real=False), request)
    attempt = Attempt(grad=request.point.mode == "train")
    notes = list(model.notes)
    reason: NeedsRealRun | None = None  # what calls for the next attempt
    while True:
        kept = [f"{reason}: token ids, masks and other small constants kept theirs."] if attempt.keep_small_data else []
        try:
            return counted_run(model, request, attempt, (*notes, *kept))
        except NeedsGrad as need:
            let_go(need)
            between()
            attempt = replace(attempt, grad=True)
            notes.append(_DIFFERENTIATES)
            continue
        except NeedsDevice as need:
            let_go(need)
            attempt = replace(attempt, any_device=True)
            continue
        except NeedsRealRun as need:
            let_go(need)
            need.at_least = max(need.at_least, 0 if reason is None else reason.at_least)
            reason, new = need, need.overwrites - attempt.overwritten
            if new:
                attempt = replace(attempt, overwritten=attempt.overwritten | new)
                seed()
                continue
            if not attempt.keep_small_data:
                between()
                attempt = replace(attempt, keep_small_data=True)
                seed()  # random numbers that it keeps are those of any other attempt
                continue
        except ModelError as error:
            if reason is None:
                raise
            if attempt.real:
                raise ModelError(f"{error} {_after(reason, error)}") from error.__cause__
            # It may come from small tensors that have data beside meta tensors. A real run tells.
        if model.sharded:
            raise ModelError(
                f"{reason}. A sharded model cannot be run for real instead: that takes all of its ranks."
            ) from reason
        if _runs_on_cpu(model):
            refuse_too_large(reason.at_least, str(reason))
        between()
        attempt = Attempt(real=True, grad=attempt.grad, any_device=attempt.any_device)
        notes.append(f"{reason}: run for real on seeded inputs.")
        model = model_of(target, request, real=True)


def _allowed(model: TargetModel, request: Request) -> TargetModel:
    """The model itself. Raises `UsageError` where one rank of a sharded model cannot do what a request asks for."""
    if model.sharded and (request.counter == "fvcore" or request.measured):
        what = "counter='fvcore' counts in a real run" if request.counter == "fvcore" else "measured= is a real run"
        raise UsageError(f"{what}, and a sharded model takes all of its ranks for one. Leave it out.")
    return model


def _after(reason: NeedsRealRun, error: ModelError) -> str:
    """What an error of a real run followed on."""
    if reason.raised and reason.raised in str(error):
        return "It is the same on the meta device and in a real run."
    return f"It was raised in a real run, which was made for this: {reason}."


def _runs_on_cpu(model: TargetModel) -> bool:
    """Whether a real run of a model is on the CPU, as it is unless the user's model is on another device."""
    return next((p.device.type for p in model.model.parameters()), "cpu") in ("cpu", "meta")
