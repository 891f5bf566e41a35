"""From a request and a model that is ready to be called to the training step that is asked for."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..values.request import Request
from .meta.autocast import autocast_of
from .model.call import Call
from .model.trainer import attach
from .recording.loss import loss_of, loss_of_step
from .recording.optimizers import make_optimizers
from .recording.training import TrainingStep


def training_step(call: Call, request: Request, autocast: str, *, settles: int = 0) -> TrainingStep:
    """The training step that a request asks for, with autocast as on the device type ``autocast``.

    Raises `UsageError` for an optimizer that cannot be made.
    """
    point = request.point
    optimizers = make_optimizers(request.optimizer or point.optimizer, call.model, point.rules)
    attach(call.model, optimizers)

    def run() -> Any:
        arguments, keywords = call.again()
        return call.called(*arguments, **keywords)

    return TrainingStep(
        call.model,
        run,
        loss_of_step if point.step is not None else partial(loss_of, loss=request.loss),
        optimizers,
        point.accumulate or 1,
        autocast_of(point.amp, autocast),
        own=point.step is not None,
        settles=settles,
    )
