"""The optimizers of a training step, made from a name, by the user's callable, or by the model itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch

from ...errors import UsageError
from ...values.parameters import required_positional
from ...values.point import OPTIMIZERS

_LR = 1e-3  # its value costs nothing


Choice = str | Callable[[list[torch.nn.Parameter]], Any] | None


def make_optimizers(choice: Choice, model: torch.nn.Module, kind: str) -> list[Any]:
    """The optimizers of the parameters of ``model`` that require grad; none if there are none, or for ``"none"``.

    ``choice`` is one of `OPTIMIZERS`, or is called with those parameters and gives one optimizer or several; ``None``
    asks the model's ``configure_optimizers``, and is ``"adamw"`` where it has none. On the device type ``kind``
    ``"cuda"``, they work on lists of tensors (``foreach``), which is PyTorch's default there. Raises `UsageError` where
    the callable raises, or returns a value without ``step()`` or ``state``, or one whose step needs a closure.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    if choice is None:
        configure = getattr(model, "configure_optimizers", None)
        said = "configure_optimizers()"
        make = (lambda _: configure()) if callable(configure) else _class_named("adamw")
    else:
        make = _class_named(choice) if isinstance(choice, str) else choice
        said = f"optimizer={choice if isinstance(choice, str) else getattr(choice, '__name__', type(choice).__name__)}"
    if make is None or not parameters:
        return []
    try:
        made = make(parameters)
    except Exception as error:
        more = "" if choice is not None else " Without a trainer, say which one: optimizer='adamw'."
        raise UsageError(f"{said} raised {type(error).__name__}: {error}{more}") from error
    found = list(_optimizers_in(made))
    for optimizer in found if found or (choice is None and made is None) else [made]:
        _check(optimizer, made, said, kind)
    return found


def _optimizers_in(made: Any) -> Iterator[Any]:
    """The optimizers in what a callable returned: Lightning's forms are one, several, with schedulers, and dicts."""
    if isinstance(made, (list, tuple)):
        if len(made) == 2 and all(isinstance(part, (list, tuple)) for part in made):  # optimizers, schedulers
            made = made[0]
        for one in made:
            yield from _optimizers_in(one)
    elif isinstance(made, Mapping) and "optimizer" in made:
        yield made["optimizer"]
    elif made is not None:
        yield made


def _check(optimizer: Any, made: Any, said: str, kind: str) -> None:
    """Raise `UsageError` for what is no optimizer that takes steps, where ``made`` was returned."""
    if not callable(getattr(optimizer, "step", None)) or not hasattr(optimizer, "state"):
        raise UsageError(
            f"{said} returned a value of type {type(made).__name__}, not an optimizer. "
            f"Allowed: {', '.join(map(repr, OPTIMIZERS))}, or a callable such as "
            "lambda params: torch.optim.RMSprop(params)."
        )
    if _needs_closure(optimizer):
        raise UsageError(
            f"{said}: a step of {type(optimizer).__name__} calls forward and backward as often as it likes, "
            "by a closure. A budget counts one forward and one backward in a step, so it cannot count this optimizer. "
            f"Allowed: {', '.join(map(repr, OPTIMIZERS))}, or a callable whose optimizer has a step() without "
            'arguments; "none" counts one evaluation of the closure.'
        )
    for group in getattr(optimizer, "param_groups", ()):
        if kind == "cuda" and not group.get("fused") and group.get("foreach", 0) is None:
            group["foreach"] = True


def _needs_closure(optimizer: Any) -> bool:
    """Whether ``optimizer.step()`` has an argument that must be given, as that of ``LBFGS`` has."""
    required = required_positional(inspect.signature(optimizer.step).parameters.values())
    return any(one.name != "self" for one in required)  # a scheduler puts an unbound function around it


def _class_named(name: str) -> Callable[[list[torch.nn.Parameter]], Any] | None:
    """What makes an optimizer of `OPTIMIZERS`: PyTorch's class of that name, or its SGD with ``"momentum"``."""
    if name == "none":
        return None
    if name == "momentum":
        return partial(torch.optim.SGD, lr=_LR, momentum=0.9)
    classes = [found for found in vars(torch.optim).values() if isinstance(found, type)]
    return partial(next(found for found in classes if found.__name__.lower() == name), lr=_LR)
