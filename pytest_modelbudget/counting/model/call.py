"""A model ready to be called: borrowed, in train or eval mode, and with the arguments of forward."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from ...values.request import Request
from ..meta.layout import META
from ..recording.made import note_new
from .borrow import borrowed
from .build import call_on_meta
from .called import Function, called_of
from .copies import same_tensors
from .description import described
from .first_batch import FirstBatch
from .inputs import Arguments, Inputs, example_of
from .modes import set_mode
from .modules import modules_of
from .process import no_garbage_collection
from .replacements import Replacement, copied, on_meta, small_constants
from .sharded import refuse_sharded_inputs
from .target import TargetModel


@dataclass(frozen=True)
class Attempt:
    """How a model is run to be counted.

    ``real``: with data instead of on the meta device. ``grad``: with autograd on. ``keep_small_data``: on the meta
    device, but with the data of small tensors whose values are known, such as token ids, masks and constants.
    ``any_device``: the device of the run stands in for CUDA. ``overwritten``: the lines whose small tensors do not keep
    their data, since they are written to.
    """

    real: bool = False
    grad: bool = False
    keep_small_data: bool = False
    any_device: bool = False
    overwritten: frozenset[str] = frozenset()


class Call(NamedTuple):
    """A borrowed model, what of it is ``called``, all of its modules, and the arguments for that.

    ``given`` are those as text, ``device`` is where they are.
    """

    model: torch.nn.Module
    called: Function
    modules: list[torch.nn.Module]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    given: str
    device: torch.device

    def again(self) -> Arguments:
        """The arguments for a further call: the same tensors in containers and objects that no call has changed."""
        arguments: Arguments = same_tensors((self.arguments, self.keywords), self.modules)
        return arguments


def ready(target: TargetModel, request: Request, attempt: Attempt) -> AbstractContextManager[Call]:
    """Borrow a model for an attempt. Raises `UsageError` for inputs that cannot be meant, and as `set_mode` does."""
    model, dtype = target.model, _dtype(request)
    if not attempt.real:
        updated = request.point.mode == "train"
        if attempt.keep_small_data:
            keeps = small_constants(modules_of(model))
            replacement = on_meta(dtype, grad=attempt.grad, built=target.built, updated=updated, keeps=keeps)
        else:
            replacement = on_meta(dtype, grad=attempt.grad, built=target.built, updated=updated)
        return _ready(model, request, replacement, None, keep_small_data=attempt.keep_small_data)
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    if device.type == "meta":
        device = torch.device("cpu")
    return _ready(model, request, copied(dtype), device)  # also of what a factory gave: it may have kept it


def ready_on(device: torch.device, target: TargetModel, request: Request) -> AbstractContextManager[Call]:
    """Borrow a model for a real run on ``device``. Raises as `ready` does."""
    return _ready(target.model, request, copied(_dtype(request), device), device)


@contextmanager
def _ready(
    model: torch.nn.Module,
    request: Request,
    replacement: Replacement,
    device: torch.device | None,
    *,
    keep_small_data: bool = False,
) -> Iterator[Call]:
    """Borrow ``model``, with inputs on ``device``; ``None`` is the meta device."""
    dtype = _dtype(request)
    floating = dtype or _floating_dtype(model)
    refuse_sharded_inputs(request.inputs)
    with borrowed(model, replacement), no_garbage_collection():
        modules = modules_of(model)
        set_mode(model, modules, training=request.point.mode == "train")
        called = called_of(model, request)
        spec = request.inputs if request.inputs is not None else example_of(model, request.point)
        if isinstance(spec, FirstBatch):
            spec = spec.arguments(called, step=request.point.step is not None)
        inputs = Inputs(spec, request.point, floating, cast=dtype is not None, same=modules)
        if device is not None:
            arguments, keywords = inputs.real(device)
        elif keep_small_data:
            arguments, keywords = inputs.on_meta(keep_small_data=True)
        else:
            arguments, keywords = _on_meta(inputs)
        if request.point.channels_last:
            arguments = tuple([_channels_last(value) for value in arguments])
            keywords = {name: _channels_last(value) for name, value in keywords.items()}
        note_new((arguments, keywords), given=spec)
        yield Call(
            model,
            called,
            modules,
            arguments,
            keywords,
            described(arguments, keywords),
            device or META,
        )


def _channels_last(value: Any) -> Any:
    """An image in channels-last memory format; anything else as it is."""
    if isinstance(value, torch.Tensor) and value.layout is torch.strided and not value.is_nested and value.dim() == 4:
        return value.contiguous(memory_format=torch.channels_last)
    return value


def _dtype(request: Request) -> torch.dtype | None:
    """The dtype that the model and its float inputs are counted in; ``None`` for the model's own."""
    dtype: torch.dtype | None = getattr(torch, request.point.dtype) if request.point.dtype else None
    return dtype


def _floating_dtype(model: torch.nn.Module) -> torch.dtype:
    """The dtype of a model's float inputs: that of its first floating parameter."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.get_default_dtype())


def _on_meta(inputs: Inputs) -> Arguments:
    """Inputs on the meta device. What the user's callable creates is there too, unless it needs values."""
    result = call_on_meta(inputs.on_meta)
    if result.error is None:
        arguments: Arguments = result.value
        return arguments
    return inputs.on_meta()
