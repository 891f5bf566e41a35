"""Train and eval mode of a borrowed model: flags, and a module's own ``train()`` or ``eval()`` where that is safe."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from typing import Any

import torch

from ...errors import BudgetError, ModelError
from ...values.parameters import parameters_of
from ..meta.missing_data import NeedsData
from ..meta.user_frames import is_users

_TRAIN, _EVAL = torch.nn.Module.train, torch.nn.Module.eval


def set_mode(model: torch.nn.Module, modules: list[torch.nn.Module], *, training: bool) -> None:
    """Put ``model``, whose modules are ``modules``, in train or eval mode, as ``model.train(training)`` would.

    The mode of a module is its flag ``training``. A module's own ``train`` or ``eval`` may keep parts in another mode,
    or merge weights, so it is called if it takes what PyTorch's takes: ``train(mode)``, and ``eval()`` without an
    argument. One with other parameters does something else, such as a whole training: it is never called, nor is what
    might call it, which is the method of a module above it. One that raises ``NotImplementedError`` has no modes.

    Raises `ModelError` when a module's own method raises, and `NeedsData` when it reads values on the meta device.
    """
    if not any(map(_has_own, modules)):
        for module in modules:
            _set_flag(module, training)
        return
    own = _own(model, "eval") if not training else None
    if own is None or not _call(model, "eval", own, (), training):
        _set(model, training)


def _set(module: torch.nn.Module, training: bool) -> None:
    own = _own(module, "train")
    if own is not None and _call(module, "train", own, (training,), training):
        return
    _set_flag(module, training)
    for child in (module._modules or {}).values():
        if child is not None:
            _set(child, training)


def _set_flag(module: torch.nn.Module, training: bool) -> None:
    if isinstance(module, torch.jit.ScriptModule):
        module.training = training  # a script reads the attribute of its C++ object
    else:
        vars(module)["training"] = training


def _has_own(module: torch.nn.Module) -> bool:
    """Whether a module, or its class, has a ``train`` or ``eval`` that is not PyTorch's."""
    kind, attributes = type(module), vars(module)
    return kind.train is not _TRAIN or kind.eval is not _EVAL or "train" in attributes or "eval" in attributes


def _own(module: torch.nn.Module, name: str) -> Callable[..., Any] | None:
    """A module's own ``train`` or ``eval``, or ``None`` where it is PyTorch's."""
    if getattr(type(module), name) is (_TRAIN if name == "train" else _EVAL) and name not in vars(module):
        return None
    own: Callable[..., Any] = getattr(module, name)
    return own


def _call(
    module: torch.nn.Module, name: str, own: Callable[..., Any], arguments: tuple[Any, ...], training: bool
) -> bool:
    """Call a module's own method if that is safe. Returns whether it set the mode."""
    if not all(_is_safe(part) for part in module.modules()):
        return False
    try:
        own(*arguments)
    except BudgetError:
        raise
    except Exception as error:
        if isinstance(error, NotImplementedError) and _is_stated_by_user(error):
            return False
        if any(parameter.is_meta for parameter in module.parameters()):
            raise NeedsData(f"{type(module).__name__}.{name}()") from error  # with data a real run tells whose it is
        raise ModelError(
            f"{type(module).__name__}.{name}({str(training) if arguments else ''}) raised "
            f"{type(error).__name__}: {error}\nIt was called to put the model in "
            f"{'train' if training else 'eval'} mode."
        ) from error
    return True


def _is_stated_by_user(error: Exception) -> bool:
    """Whether the user's own code raised an error, and no operator of PyTorch."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return is_users(frame.f_code)


def _is_safe(module: torch.nn.Module) -> bool:
    """Whether a module's own methods, if it has any, take what PyTorch's take."""
    train, evaluate = _own(module, "train"), _own(module, "eval")
    return (train is None or _takes_a_mode(train)) and (evaluate is None or _parameters(evaluate) == ())


def _takes_a_mode(train: Callable[..., Any]) -> bool:
    parameters = _parameters(train)
    if parameters is None or len(parameters) != 1 or parameters[0].kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
        return False
    return parameters[0].name == "mode" or parameters[0].default is True


def _parameters(method: Callable[..., Any]) -> tuple[inspect.Parameter, ...] | None:
    """The parameters of a method, without ``self``, which a function that is set on an instance has too."""
    parameters = parameters_of(method)
    return parameters[1:] if parameters and parameters[0].name == "self" else parameters
