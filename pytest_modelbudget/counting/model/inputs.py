"""From an operating point and ``inputs=`` to the arguments of forward, on the meta device or with seeded data."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from inspect import isroutine
from typing import Any

import torch

from ...errors import BudgetError, UsageError
from ...values.input_tensor import InputTensor
from ...values.point import OperatingPoint, axis_names
from ..meta.layout import META
from ..recording.tensors import tensors_in
from .by_name import call_by_name
from .copies import Copier
from .description import brief
from .input_tensors import InputTensors
from .shapes import Shape, is_shape, is_top_level_shape, sizes_at

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments."""


def example_of(model: torch.nn.Module, point: OperatingPoint) -> Any:
    """What a model says itself that its forward takes, in a form of ``inputs=``; ``None`` where it says nothing.

    That is Lightning's ``example_input_array``, or the ``dummy_inputs`` of transformers. It is taken only where
    the operating point has no size, which an example could not follow.
    """
    if point.called != "forward" or any(axis.ordered for axis, _ in point.given()):
        return None
    found = (getattr(model, name, None) for name in ("example_input_array", "dummy_inputs"))
    return next((example for example in found if example is not None), None)


class Inputs:
    """Builds the arguments of forward, anew each time: what the user gave is copied, and never written into.

    ``dtype`` is the dtype that float inputs are created in; with ``cast``, floating tensors that the user passed are
    converted to it too. The values in ``same`` are not copied: they are parts of the model.
    """

    def __init__(
        self, spec: Any, point: OperatingPoint, dtype: torch.dtype, *, cast: bool, same: Iterable[Any] = ()
    ) -> None:
        self._spec = spec
        self._point = point
        self._dtype = dtype
        self._cast = cast
        self._same = tuple(same)

    def on_meta(self, *, keep_small_data: bool = False) -> Arguments:
        """Arguments without data.

        With ``keep_small_data``, small tensors of integers and masks have data: the user's own, or what `real` gives.
        """
        return self._arguments(META, keep_small_data)

    def real(self, device: torch.device) -> Arguments:
        """Arguments with data: the user's own tensors, seeded noise for floats, zeros or bounded integers for ids."""
        return self._arguments(device, False)

    def _arguments(self, device: torch.device, keep_small_data: bool) -> Arguments:
        spec = self._spec
        if _is_function(spec):
            spec = _returned_by(spec, self._point)
            if spec is None:
                raise _unreadable(spec)
        dimensions = axis_names(self._point, by_name=True)
        found = _tensors_of(spec, self._same, dimensions)
        tensors = InputTensors(
            self._dtype,
            cast=self._cast,
            device=device,
            keep_small_data=keep_small_data,
            given=[one for one in found if isinstance(one, torch.Tensor)],
        )
        if spec is None:
            return self._default(tensors), {}

        def new(shape: Shape | InputTensor) -> torch.Tensor:
            sizes = sizes_at(self._point, shape)
            if not isinstance(shape, InputTensor):
                return tensors.new(sizes)
            return tensors.new(sizes, getattr(torch, shape.dtype) if shape.dtype else None, shape.high)

        copy = Copier(tensors.like, new, self._same, dimensions).copy
        return _read(spec, copy, new, dimensions, is_object=bool(found))

    def _default(self, tensors: InputTensors) -> tuple[torch.Tensor]:
        """One image, or one tensor of token ids, where nothing was given."""
        point = self._point.with_batch_one()
        batch = point.batch or 1
        if point.res is not None and point.seq is not None:
            raise UsageError("Both res= and seq= are given, and no inputs=: say what the model takes with inputs=.")
        if point.res is not None:
            return (tensors.new((batch, point.channels or 3, *point.res)),)
        if point.seq is not None:
            return (tensors.new((batch, point.seq), torch.int64),)
        raise UsageError(
            "There are no inputs: give res=224 (one image tensor), seq=128 (one tensor of token ids), or inputs=."
        )


def _is_function(spec: Any) -> bool:
    """Whether ``inputs=`` is called for what it returns. An object with tensors is an argument, also if it can be."""
    if not callable(spec) or isinstance(spec, torch.Tensor):
        return False
    return isinstance(spec, (type, partial)) or isroutine(spec) or next(tensors_in(spec), None) is None


def _tensors_of(
    spec: Any, same: Iterable[Any], dimensions: Collection[str]
) -> list[torch.Tensor | Shape | InputTensor]:
    """The user's tensors in ``inputs=``, and what stands for new ones."""
    found: list[Any] = []

    def note(value: Any) -> Any:
        found.append(value)
        return value

    Copier(note, note, same, dimensions).copy(spec)
    return found


def _read(
    spec: Any,
    copy: Callable[[Any], Any],
    new: Callable[[Shape], torch.Tensor],
    dimensions: Collection[str],
    *,
    is_object: bool,
) -> Arguments:
    """The arguments that a form of ``inputs=`` means. Raises `UsageError` for what is none.

    ``copy`` copies a value, with tensors in place of what stands for them; ``new`` makes a tensor of a shape, which may
    have ``dimensions`` by name.
    ``is_object``: a value that is nothing else is one argument, since there are tensors in it.
    """
    if _is_keywords(spec):
        return (), _keywords(spec, copy)
    if is_top_level_shape(spec, dimensions):
        return (new(spec),), {}
    if type(spec) is tuple and spec:
        if len(spec) == 2 and type(spec[0]) is tuple and not is_shape(spec[0], dimensions) and _is_keywords(spec[1]):
            return tuple([copy(value) for value in spec[0]]), _keywords(spec[1], copy)
        return tuple([copy(value) for value in spec]), {}
    if type(spec) is list and spec:
        if all(isinstance(one, InputTensor) or is_top_level_shape(one, dimensions) for one in spec):
            return tuple([copy(one) if isinstance(one, InputTensor) else new(one) for one in spec]), {}
        return (copy(spec),), {}
    if is_object:
        return (copy(spec),), {}
    raise _unreadable(spec)


def _is_keywords(spec: Any) -> bool:
    """Whether a value is a dict or like one. A `TensorDict` is a mapping, too, but acts as a tensor."""
    return isinstance(spec, Mapping) and not hasattr(type(spec), "__torch_function__")


def _keywords(spec: Mapping[Any, Any], copy: Callable[[Any], Any]) -> dict[str, Any]:
    for name in spec:
        if not isinstance(name, str):
            raise UsageError(
                f"inputs= has the key {brief(name)}. A dict is the keyword arguments of forward, whose names are text; "
                "to give the dict as one argument, put it in a tuple: inputs=({...},)."
            )
    return {name: copy(value) for name, value in spec.items()}


def _unreadable(spec: Any) -> UsageError:
    return UsageError(
        f"inputs={brief(spec)} cannot be read. Allowed: a tensor, a tuple of arguments, a dict of keyword arguments, "
        '((positional, ...), {keywords}), a shape such as ("batch", 80, "seq"), a list of shapes, '
        'tensor("batch", "seq", dtype="int64"), an object with tensors, or a callable that gives one of these.'
    )


def _returned_by(function: Callable[..., Any], point: OperatingPoint) -> Any:
    """What the user's callable returns. Raises `UsageError` with the line of the error that the callable raises."""
    try:
        return call_by_name(function, point, what="inputs=")
    except BudgetError:
        raise
    except Exception as error:
        file, line, *_ = traceback.extract_tb(error.__traceback__)[-1]
        name = getattr(function, "__name__", type(function).__name__)
        raise UsageError(f"inputs= {name}() raised {type(error).__name__}: {error}\n    {file}:{line}") from error
