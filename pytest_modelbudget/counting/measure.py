"""The API: a model or what builds one, and the arguments of a measurement in, a `Cost` out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..targets.find import target_of
from ..values.arguments import Arguments, explicit
from ..values.cost import Cost
from ..values.request import Request
from .attempts import cost_of
from .leftovers.leftovers import undone
from .machine_memory import refuse_too_large
from .model.first_batch import read_first
from .model.process import default_contexts, one_at_a_time, undisturbed_process
from .model.target import Target
from .real_run import real_run
from .self_check import warn_of_untried
from .sharded.process_group import process_group

if TYPE_CHECKING:
    from typing_extensions import Unpack


@explicit(Arguments)
def measure(model: Target | str, *, args: Mapping[str, Any] | None = None, **arguments: Unpack[Arguments]) -> Cost:
    """Measure what ``model`` costs at an operating point, without computing anything.

    ``model`` is an ``nn.Module``, which is left exactly as it was, a factory, which is called under the meta
    device so that weights take neither memory nor time, or a TARGET as a command takes it, such as
    ``"timm:vit_tiny_patch16_224"``; ``args`` are the arguments of what builds it. ``batch`` and ``res`` (pixels, or
    (height, width)) make one float image tensor, ``batch`` and ``seq`` one int64 tensor of token ids, ``inputs``
    anything else; of a ``loader`` the first batch is the input.
    ``convention`` is ``"fvcore"`` (1 FLOP a multiply-add, norms included) or ``"torch"`` (2, nothing else).
    ``mode="train"`` is a training step: forward, a loss (the model's own, ``loss``, or the sum of its outputs),
    backward, and the step of ``optimizer``. ``amp`` is autocast, ``attention="math"`` keeps the score matrix in memory,
    ``device`` says whose memory rules hold and, if it names a card, predicts the time of a step, which is an estimate:
    `Cost.throughput`. ``measured`` also runs the step for real, on the device at hand.
    ``counter="fvcore"`` counts with ``fvcore.nn.FlopCountAnalysis`` instead of the operators' own formulas.
    Several threads may call this: one counts at a time.

    Raises `UsageError` for arguments that cannot be meant, `TargetError` when the factory fails,
    `ModelError` when the model's own code raises.
    """
    found = target_of(model, args)
    return count(found.model, Request.of(**{**found.usual(arguments), **arguments}))


def count(model: Target, request: Request) -> Cost:
    """Measure what a checked request asks for, one at a time in a process. Raises as `measure` does."""
    warn_of_untried(count)
    with (
        one_at_a_time(),
        undisturbed_process(),
        default_contexts(),
        warnings.catch_warnings(),
        process_group(request.point),
        undone(model) as left,
    ):
        warnings.filterwarnings("ignore", message=".*copying from a non-meta parameter.*")
        if request.loader is not None:
            request = replace(request, loader=None, inputs=read_first(request.loader, request.point))
        cost = cost_of(model, request, between=left.undo_near)
        if request.measured:
            refuse_too_large(cost.memory or 0, "measured= runs the step for real")
            left.undo_near()
            left.ran_unseen = True  # to take its time, it runs with no mode
            cost = replace(cost, measured=real_run(model, request))
    return cost
