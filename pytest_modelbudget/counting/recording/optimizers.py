"""The optimizer of a training step, made from its name or by the user's callable."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from ...errors import UsageError
from ...values.point import OPTIMIZERS

_LR = 1e-3  # its value costs nothing


def make_optimizer(choice: str | Callable[[list[torch.nn.Parameter]], Any], model: torch.nn.Module, kind: str) -> Any:
    """The optimizer of the parameters of ``model`` that require grad; ``None`` if there are none, or for ``"none"``.

    ``choice`` is one of `OPTIMIZERS`, or is called with those parameters. On the device type ``kind`` ``"cuda"``, it
    works on lists of tensors (``foreach``), which is PyTorch's default there. Raises `UsageError` where the callable
    raises, or returns a value without ``step()`` or ``state``, or one whose step
    needs a closure.
    """
    make = _class_named(choice) if isinstance(choice, str) else choice
    parameters = [p for p in model.parameters() if p.requires_grad]
    if make is None or not parameters:
        return None
    name = choice if isinstance(choice, str) else getattr(choice, "__name__", type(choice).__name__)
    try:
        optimizer = make(parameters)
    except Exception as error:
        raise UsageError(f"optimizer={name} raised {type(error).__name__}: {error}") from error
    if not callable(getattr(optimizer, "step", None)) or not hasattr(optimizer, "state"):
        raise UsageError(
            f"optimizer={name} returned a value of type {type(optimizer).__name__}, not an optimizer. "
            f"Allowed: {', '.join(map(repr, OPTIMIZERS))}, or a callable such as "
            "lambda params: torch.optim.RMSprop(params)."
        )
    if _needs_closure(optimizer):
        raise UsageError(
            f"optimizer={name}: a step of {type(optimizer).__name__} calls forward and backward as often as it likes, "
            "by a closure. A budget counts one forward and one backward in a step, so it cannot count this optimizer. "
            f"Allowed: {', '.join(map(repr, OPTIMIZERS))}, or a callable whose optimizer has a step() without "
            'arguments; "none" counts one evaluation of the closure.'
        )
    for group in getattr(optimizer, "param_groups", ()):
        if kind == "cuda" and not group.get("fused") and group.get("foreach", 0) is None:
            group["foreach"] = True
    return optimizer


def _needs_closure(optimizer: Any) -> bool:
    """Whether ``optimizer.step()`` has an argument that must be given, as that of ``LBFGS`` has."""
    parameters = inspect.signature(optimizer.step).parameters.values()
    return any(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def _class_named(name: str) -> Callable[[list[torch.nn.Parameter]], Any] | None:
    """What makes an optimizer of `OPTIMIZERS`: PyTorch's class of that name, or its SGD with ``"momentum"``."""
    if name == "none":
        return None
    if name == "momentum":
        return partial(torch.optim.SGD, lr=_LR, momentum=0.9)
    classes = [found for found in vars(torch.optim).values() if isinstance(found, type)]
    return partial(next(found for found in classes if found.__name__.lower() == name), lr=_LR)
