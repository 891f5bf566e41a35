"""The measurement itself: a model or factory and an operating point in, a `Cost` out."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

from ..errors import UsageError, nearest
from ..values.cost import CONVENTIONS, Cost
from ..values.point import operating_point
from ..values.request import Request
from .attempts import cost_of
from .model.process import default_contexts, undisturbed_process
from .model.target import Target
from .real_run import real_run

COUNTERS = ("aten", "fvcore")


def measure(
    model: Target,
    *,
    batch: int | None = None,
    res: int | tuple[int, int] | None = None,
    channels: int | None = None,
    seq: int | None = None,
    inputs: Any = None,
    dtype: Any = None,
    mode: str = "infer",
    optimizer: Any = None,
    amp: Any = None,
    attention: Any = None,
    loss: Any = None,
    device: Any = None,
    measured: bool = False,
    convention: str = "fvcore",
    counter: str = "aten",
) -> Cost:
    """Measure what ``model`` costs at an operating point, without computing anything.

    ``model`` is an ``nn.Module``, which is left exactly as it was, or a factory, which is called under the meta
    device so that weights take neither memory nor time. ``batch`` and ``res`` (pixels, or (height, width)) make one
    float image tensor, ``batch`` and ``seq`` one int64 tensor of token ids, ``inputs`` anything else.
    ``convention`` is ``"fvcore"`` (1 FLOP a multiply-add, norms included) or ``"torch"`` (2, nothing else).
    ``mode="train"`` is a training step: forward, a loss (the model's own, ``loss``, or the sum of its outputs),
    backward, and the step of ``optimizer``. ``amp`` is autocast, ``attention="math"`` keeps the score matrix in memory,
    ``device`` says whose memory rules hold and, if it names a card, predicts the time of a step. ``measured`` also
    runs the step for real, on the device at hand.
    ``counter="fvcore"`` counts with ``fvcore.nn.FlopCountAnalysis`` instead of the operators' own formulas.
    ``device="T4"`` also predicts the time of a step on that card, which is an estimate: `Cost.throughput`.

    Raises `UsageError` for arguments that cannot be meant, `TargetError` when the factory fails,
    `ModelError` when the model's own code raises.
    """
    point = operating_point(
        batch=batch,
        res=res,
        channels=channels,
        seq=seq,
        dtype=dtype,
        mode=mode,
        optimizer=optimizer,
        amp=amp,
        attention=attention,
        device=device,
    )
    if loss is not None and not callable(loss):
        raise UsageError(f"loss={loss!r} is not a loss. Allowed: a callable that gets the model's output.")
    if loss is not None and mode != "train":
        raise UsageError("loss= is for mode='train': in inference there is none.")
    request = Request(point, inputs, loss, optimizer if callable(optimizer) else None, convention, counter, measured)
    named = request.card
    if convention not in CONVENTIONS:
        raise UsageError(
            f"convention={convention!r} is not a convention. Allowed: 'fvcore', 'torch'."
            f"{nearest(str(convention), CONVENTIONS)}"
        )
    if counter not in COUNTERS:
        raise UsageError(
            f"counter={counter!r} is not a counter. Allowed: 'aten', 'fvcore'.{nearest(str(counter), COUNTERS)}"
        )
    if counter == "fvcore" and convention != "fvcore":
        raise UsageError("counter='fvcore' counts in the convention 'fvcore' only: one multiply-add is one FLOP.")
    if counter == "fvcore" and named is not None:
        raise UsageError(
            "counter='fvcore' does not see what operators move, so it predicts no time. Leave out device=."
        )
    return count(model, request)


def count(model: Target, request: Request) -> Cost:
    """Measure what was checked already. Raises `TargetError` and `ModelError` as `measure` does."""
    with undisturbed_process(), default_contexts(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*copying from a non-meta parameter.*")
        cost = cost_of(model, request)
        return replace(cost, measured=real_run(model, request)) if request.measured else cost
