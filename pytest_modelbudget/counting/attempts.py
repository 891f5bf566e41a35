"""The attempts of a count: on the meta device, with autograd on, with the data of small tensors, and for real."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..errors import ModelError
from ..values.cost import Cost
from ..values.request import Request
from .blame import NeedsGrad, NeedsRealRun
from .counted_run import counted_run
from .fvcore import fvcore_cost
from .model.call import Attempt
from .model.target import model_of

_DIFFERENTIATES = "The model differentiates in its forward pass: it was counted with autograd on."


def cost_of(target: Any, request: Request, *, between: Callable[[], None]) -> Cost:
    """Count the model of ``target`` by the first attempt that works. ``between`` is called before the others.

    All attempts that work give the same counts; each takes more time than the one before. Raises `TargetError` when the
    factory fails, `ModelError` when the model's own code raises.
    """
    if request.counter == "fvcore":
        return fvcore_cost(model_of(target, request.point, real=True), request)
    model = model_of(target, request.point, real=False)
    attempt = Attempt(grad=request.point.mode == "train")
    notes, reads = list(model.notes), ""
    while True:
        kept = [f"{reads}: token ids, masks and other small constants kept theirs."] if attempt.keep_small_data else []
        try:
            return counted_run(model, request, attempt, (*notes, *kept))
        except NeedsGrad:
            between()
            attempt = replace(attempt, grad=True)
            notes.append(_DIFFERENTIATES)
            continue
        except NeedsRealRun as need:
            reads = reads or str(need)
            if not attempt.keep_small_data:
                between()
                attempt = replace(attempt, keep_small_data=True)
                continue
        except ModelError:
            if not attempt.keep_small_data:
                raise
            # It may come from small tensors that have data beside meta tensors. A real run tells.
        between()
        attempt = Attempt(real=True, grad=attempt.grad)
        notes.append(f"{reads}: run for real on seeded inputs.")
        model = model_of(target, request.point, real=True)
