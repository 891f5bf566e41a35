"""What of a model gets the inputs: its forward, another method, or a training step that gets the batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch

from ...errors import UsageError, nearest
from ...values.parameters import parameters_of, required_positional
from ...values.request import Request

Function = Callable[..., Any]


def called_of(model: torch.nn.Module, request: Request) -> Function:
    """What a request calls with the arguments of forward. Raises `UsageError` for a method that the model lacks."""
    point = request.point
    if point.step is not None:
        step = request.step if request.step is not None else _method(model, "step", point.step)
        return _with_batch(step, model)
    if point.method is not None:
        method = _method(model, "method", point.method)

        @wraps(method)
        def called(*arguments: Any, **keywords: Any) -> Any:
            return method(*arguments, **keywords)

        return called
    return model


def _method(model: torch.nn.Module, argument: str, name: str) -> Function:
    found = getattr(model, name, None)
    if not callable(found):
        kind = type(model)
        methods = [one for one in dir(kind) if not one.startswith("_") and callable(getattr(kind, one, None))]
        what = "has no method of that name" if found is None else "has a value of that name, which cannot be called"
        raise UsageError(f"{argument}={name!r}: {kind.__name__} {what}.{nearest(name, methods)}")
    method: Function = found
    return method


def _with_batch(step: Function, model: torch.nn.Module) -> Function:
    """A step as one that gets the arguments of forward, of which it makes the batch.

    The batch is the one positional argument, the tuple of several, or the dict of keyword arguments. A parameter whose
    name ends in ``idx`` gets zero, and so does none that has a default. What else must be given is the batch, or the
    model and the batch for what is no method of the model; with one more parameter for each argument, they get these.
    """
    parameters = required_positional(parameters_of(step) or ())
    is_method = getattr(step, "__self__", None) is model

    def called(*arguments: Any, **keywords: Any) -> Any:
        batch = _batch(arguments, keywords)
        numbers = {one.name for one in parameters if one.name.endswith("idx")}
        wanted = [one for one in parameters if one.name not in numbers]
        first = () if is_method or len(wanted) < 2 else (model,)
        spread = len(wanted) - len(first) > 1
        if spread and keywords and {one.name for one in wanted[len(first) :]} <= set(keywords):
            given: tuple[Any, ...] = tuple([keywords[one.name] for one in wanted[len(first) :]])
        else:
            given = arguments if spread else (batch,)
        values = iter((*first, *given))
        if len(wanted) and len(wanted) != len(first) + len(given):
            raise UsageError(
                f"step= {_name(step)}() must be given {', '.join(one.name for one in wanted)}, and there is "
                f"{'the model and ' if first else ''}a batch of {len(arguments) + len(keywords)}. Allowed: a method of "
                "the model that gets the batch, or a callable that gets the batch, or the model and the batch."
            )
        if not wanted:  # it has defaults for all, or takes any
            return step(batch)
        return step(*[0 if one.name in numbers else next(values) for one in parameters])

    return called


def _batch(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    if arguments and keywords:
        raise UsageError(
            "step= gets one batch, and inputs= has positional and keyword arguments. Give a tuple or a dict of them."
        )
    if keywords:
        return keywords
    return arguments[0] if len(arguments) == 1 else arguments


def _name(step: Function) -> str:
    return str(getattr(step, "__name__", type(step).__name__))
