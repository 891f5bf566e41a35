"""From a target, which is a model or what builds one, to the model that is counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ...errors import TargetError
from ...values.point import OperatingPoint
from .build import build
from .modules import is_compiled, modules_of, original_of, scripted_copy
from .process import seed
from .sharded import refuse_sharded

_COMPILED = "torch.compile: the original module was counted, not what the compiler makes of it."


@dataclass(frozen=True)
class Prebuilt:
    """A model that the caller built on the meta device. ``again`` builds it for real."""

    model: torch.nn.Module
    again: Callable[[], Any]


Target = torch.nn.Module | Callable[..., torch.nn.Module] | Prebuilt
"""What can be counted: a model, or what builds one."""


@dataclass(frozen=True)
class TargetModel:
    """The model of a target. ``built`` says that it was built for the count, and need not be given back as it was.

    ``notes`` are what a `Cost` says of it.
    """

    model: torch.nn.Module
    built: bool
    notes: tuple[str, ...] = ()


def model_of(target: Any, point: OperatingPoint, *, real: bool) -> TargetModel:
    """The model of a target, built after the random number generators are seeded; for real if ``real``.

    A compiled model is the module that it was made from, a scripted one a copy. Raises `TargetError` for what is
    neither a module nor a factory, and as `build` and `refuse_sharded` do.
    """
    seed()
    if isinstance(target, torch.nn.Module):
        return _original(target, built=False)
    if isinstance(target, Prebuilt):
        if real:
            return _original(build(target.again, point, real=True), built=True)
        return _original(target.model, built=False)
    if not callable(target):
        raise TargetError(f"{target!r} is neither an nn.Module nor a factory that returns one.")
    return _original(build(target, point, real=real), built=True)


def _original(model: torch.nn.Module, *, built: bool) -> TargetModel:
    """The module that ``torch.compile`` made ``model`` from, or ``model``; a copy of a scripted one."""
    modules = modules_of(model)
    refuse_sharded(modules)
    notes = (_COMPILED,) if any(map(is_compiled, modules)) else ()
    original = original_of(model)
    if isinstance(original, torch.jit.ScriptModule):
        original = scripted_copy(original)
    return TargetModel(original, built, notes)
