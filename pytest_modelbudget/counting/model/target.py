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

_COMPILED = "torch.compile: the original module was counted, not what the compiler makes of it."


@dataclass(frozen=True)
class Prebuilt:
    """A model that the caller built on the meta device. ``again`` builds it for real."""

    model: torch.nn.Module
    again: Callable[[], Any]


Target = torch.nn.Module | Callable[..., torch.nn.Module] | Prebuilt


@dataclass(frozen=True)
class Found:
    """A model to count. ``built`` says that it was built for that, so that it need not be given back as it was.

    ``notes`` are what a `Cost` says of it.
    """

    model: torch.nn.Module
    built: bool
    notes: tuple[str, ...] = ()


def found_target(target: Any, point: OperatingPoint, *, real: bool) -> Found:
    """The model of a target, built after the random number generators are seeded; for real if ``real``.

    A compiled model is the module that it was made from, a scripted one a copy. Raises `TargetError` for what is
    neither a module nor a factory, and as `build` does.
    """
    seed()
    if isinstance(target, torch.nn.Module):
        return _found(target, built=False)
    if isinstance(target, Prebuilt):
        return _found(build(target.again, point, real=True), built=True) if real else _found(target.model, built=False)
    if not callable(target):
        raise TargetError(f"{target!r} is neither an nn.Module nor a factory that returns one.")
    return _found(build(target, point, real=real), built=True)


def _found(model: torch.nn.Module, *, built: bool) -> Found:
    notes = (_COMPILED,) if any(map(is_compiled, modules_of(model))) else ()
    original = original_of(model)
    if isinstance(original, torch.jit.ScriptModule):
        original = scripted_copy(original)
    return Found(original, built, notes)
