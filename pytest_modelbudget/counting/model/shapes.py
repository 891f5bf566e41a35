"""Shapes in ``inputs=``: which tuples are shapes, and the sizes that they come to at an operating point."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch

from ...errors import UsageError, nearest
from ...values.input_tensor import InputTensor
from ...values.point import OperatingPoint, axis_names

Shape = tuple[int | str, ...]
"""Numbers and names of dimensions."""


def is_shape(value: Any, names: Collection[str]) -> bool:
    """Whether a value is a shape wherever it is: a ``torch.Size``, or a tuple that names one of the dimensions."""
    if type(value) is not tuple:
        return isinstance(value, torch.Size)
    return _is_text_and_numbers(value) and any(size in names for size in value if isinstance(size, str))


def is_top_level_shape(value: Any, names: Collection[str]) -> bool:
    """Whether a value is a shape at the top level of ``inputs=``, where a tuple with numbers is one, too."""
    return is_shape(value, names) or (
        type(value) is tuple and _is_text_and_numbers(value) and any(isinstance(size, int) for size in value)
    )


def _is_text_and_numbers(value: tuple[Any, ...]) -> bool:
    return all(isinstance(size, (int, str)) and not isinstance(size, bool) for size in value)


def sizes_at(point: OperatingPoint, shape: Shape | InputTensor) -> tuple[int, ...]:
    """The sizes of a shape at an operating point: ``"batch"`` is its batch, ``"res"`` its height, then its width.

    Raises `UsageError` for a size below zero, and for a dimension that is unknown or not given.
    """
    sides = iter(point.res or ())
    sizes = shape.sizes if isinstance(shape, InputTensor) else tuple(shape)
    said = shape if isinstance(shape, InputTensor) else sizes
    return tuple([_size(size, point, sides, said) for size in sizes])


def _size(size: int | str, point: OperatingPoint, sides: Iterator[int], said: Any) -> int:
    if isinstance(size, int):
        if size < 0:
            raise UsageError(f"inputs={said!r}: {size} is not a size. A size is zero or more.")
        return size
    names = axis_names(point, by_name=True)
    if size not in names:
        text = " A list of text is passed as it is." if isinstance(said, tuple) else ""
        raise UsageError(
            f"inputs={said!r}: {size!r} is not a dimension. "
            f"Allowed: numbers, {', '.join(map(repr, names))}, and those of dims=, such as dims={{{size!r}: 16}}."
            f"{nearest(size, names)}{text}"
        )
    if size == "res" and point.res is not None:
        return next(sides, point.res[0])
    value = point.with_batch_one().arguments().get(size)
    if value is None and size == "channels":
        return 3
    if value is None:
        raise UsageError(f"inputs={said!r} asks for {size!r}, which is not given. Add {size}=.")
    return int(value)


def hint_at_tensor(error: Exception, inputs: Any) -> str:
    """A sentence for a model that fails at what ``inputs=`` may not mean.

    A tuple of numbers may be meant as a shape; a shape, which is a float tensor, may be meant as token ids.
    """
    if isinstance(error, RuntimeError) and "scalar types: Long, Int" in str(error) and inputs is not None:
        return (
            ' A shape in inputs= is a float tensor; for token ids, give tensor("batch", "seq", dtype="int64"), or '
            "--inputs batch,seq:int64 to a command."
        )
    if not isinstance(error, (TypeError, AttributeError)) or "tuple" not in str(error):
        return ""
    values = inputs.values() if isinstance(inputs, Mapping) else inputs if isinstance(inputs, tuple) else ()
    for value in values:
        if type(value) is tuple and value and all(type(size) is int for size in value):
            return f" The tuple {value} in inputs= is a value; for a tensor of that shape, give tensor{value}."
    return ""
