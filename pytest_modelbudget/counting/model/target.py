"""From a target, which is a model or what builds one, to the model that is counted."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from ...errors import TargetError, UsageError
from ...values.request import Request
from .build import build
from .modules import is_compiled, modules_of, original_of, scripted_copy
from .process import seed
from .sharded import check_group, is_sharded_model

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
    """The model of a target. ``built`` says that it was built for the count, and need not be given back as it was,
    ``sharded`` that it is one of several ranks, or holds the part of one.

    ``notes`` are what a `Cost` says of it.
    """

    model: torch.nn.Module
    built: bool
    sharded: bool = False
    notes: tuple[str, ...] = ()


def model_of(target: Any, request: Request, *, real: bool) -> TargetModel:
    """The model of a target, parallelised if the request says so, built for real if ``real``.

    The random number generators are seeded before.

    A compiled model is the module that it was made from, a scripted one a copy. Raises `TargetError` for what is
    neither a module nor a factory, and as `build` and `is_sharded_model` do.
    """
    seed()
    point = request.point
    original = partial(_original, among=point.world or 1)
    if point.parallel is not None:
        return original(_spread(target, request, real=real), built=True)
    if isinstance(target, torch.nn.Module):
        return original(target, built=False)
    if isinstance(target, Prebuilt):
        if real:
            return original(build(target.again, point, real=True), built=True)
        return original(target.model, built=False)
    if not callable(target):
        raise TargetError(f"{target!r} is neither an nn.Module nor a factory that returns one.")
    return original(build(target, point, real=real), built=True)


def _spread(target: Any, request: Request, *, real: bool) -> torch.nn.Module:
    """The model of a target, built and spread over the ranks of a mesh: of the user's own instance, a copy."""
    from ..sharded.plan import parallelised  # it imports DTensor and FSDP

    if isinstance(target, Prebuilt):
        target = target.again
    if isinstance(target, torch.nn.Module):
        if is_sharded_model(modules_of(target)):
            raise UsageError("parallel= spreads a model over ranks, and this one is sharded already. Leave it out.")
        target = partial(copy.deepcopy, target)
    if not callable(target):
        raise TargetError(f"{target!r} is neither an nn.Module nor a factory that returns one.")
    point = request.point

    def spread(model: torch.nn.Module) -> torch.nn.Module:
        if point.dtype is not None:
            model = model.to(getattr(torch, point.dtype))  # before: FSDP notes the dtype of each parameter
        return parallelised(model, point.mesh, request.tp_plan)

    return build(target, point, real=real, spread=spread)


def _original(model: torch.nn.Module, *, built: bool, among: int) -> TargetModel:
    """The module that ``torch.compile`` made ``model`` from, or ``model``; a copy of a scripted one.

    It is one ``among`` so many ranks that were asked for.
    """
    modules = modules_of(model)
    sharded = is_sharded_model(modules)
    if sharded:
        check_group()
        if built:
            from ..sharded.replicas import without_reducers  # it imports DTensor and FSDP

            without_reducers(modules)
    notes = (_COMPILED,) if any(map(is_compiled, modules)) else ()
    original = original_of(model)
    if isinstance(original, torch.jit.ScriptModule):
        original = scripted_copy(original)
    return TargetModel(original, built, sharded or among > 1, notes)
