"""From an operating point and ``inputs=`` to the arguments of forward, on the meta device or with seeded data."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from ...errors import BudgetError, UsageError, nearest
from ...values.point import OperatingPoint, axis_names
from ..meta.arguments import is_small
from ..meta.layout import META, meta_like
from .by_name import call_by_name

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments."""

Maker = Callable[[tuple[int, ...], torch.dtype], torch.Tensor]
"""Creates a tensor of a size and dtype."""


class Inputs:
    """Builds the arguments of forward, anew each time.

    ``dtype`` is the dtype that float inputs are created in; with ``cast``, floating tensors that the user passed are
    converted to it too.
    """

    def __init__(self, spec: Any, point: OperatingPoint, dtype: torch.dtype, *, cast: bool) -> None:
        self._spec = spec
        self._point = point
        self._dtype = dtype
        self._cast = cast
        self._make: Maker = _meta
        self._device = META
        self._keep_small_data = False

    def on_meta(self, *, keep_small_data: bool = False) -> Arguments:
        """Arguments without data.

        With ``keep_small_data``, small tensors of integers and masks have data: the user's own, or zeros for token ids.
        """
        self._make, self._device = _zeros_if_small if keep_small_data else _meta, META
        self._keep_small_data = keep_small_data
        return self._arguments()

    def real(self, device: torch.device) -> Arguments:
        """Arguments with data: the user's own tensors, seeded noise for floats, zeros for token ids."""
        self._make, self._device, self._keep_small_data = _seeded(device), device, False
        return self._arguments()

    def _arguments(self) -> Arguments:
        spec = self._spec
        if spec is None:
            return (self._default(),), {}
        if callable(spec) and not isinstance(spec, torch.Tensor):
            spec = _returned_by(spec, self._point)
        return self._read(spec)

    def _default(self) -> torch.Tensor:
        point = self._point.with_batch_one()
        batch = point.batch or 1
        if point.res is not None and point.seq is not None:
            raise UsageError("Both res= and seq= are given, and no inputs=: say what the model takes with inputs=.")
        if point.res is not None:
            return self._make((batch, point.channels or 3, *point.res), self._dtype)
        if point.seq is not None:
            return self._make((batch, point.seq), torch.int64)
        raise UsageError(
            "There are no inputs: give res=224 (one image tensor), seq=128 (one tensor of token ids), or inputs=."
        )

    def _read(self, spec: Any) -> Arguments:
        if isinstance(spec, torch.Tensor):
            return (self._value(spec),), {}
        if isinstance(spec, Mapping):
            return (), {str(name): self._value(value) for name, value in spec.items()}
        if _is_shape(spec):
            return (self._shape(spec),), {}
        if isinstance(spec, list) and spec and all(_is_shape(item) for item in spec):
            return tuple(self._shape(item) for item in spec), {}
        if isinstance(spec, tuple) and spec:
            return tuple(self._value(item) for item in spec), {}
        if isinstance(spec, list) and spec:
            return (self._value(spec),), {}
        raise UsageError(
            f"inputs={_brief(spec)} cannot be read. Allowed: a tensor, a tuple of arguments, a dict of keyword "
            'arguments, a shape such as ("batch", 80, "seq"), a list of shapes, or a callable that gives one of these.'
        )

    def _value(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if _is_shape(value):
            return self._shape(value)
        if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            return type(value)(self._value(item) for item in value)
        if isinstance(value, dict):
            return {name: self._value(item) for name, item in value.items()}
        return value

    def _tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        dtype = self._dtype if self._cast and tensor.is_floating_point() else tensor.dtype
        if self._keep_small_data and not tensor.is_meta and _is_small_integer(tensor.shape, dtype):
            return tensor.detach().clone().to("cpu")
        if self._device == META and not (self._keep_small_data and tensor.is_meta):
            return meta_like(tensor).to(dtype)
        if tensor.is_meta:
            return self._make(tuple(tensor.shape), dtype)
        return tensor.detach().clone().to(device=self._device, dtype=dtype)

    def _shape(self, shape: Sequence[Any]) -> torch.Tensor:
        sides = iter(self._point.res or ())
        sizes = []
        for size in shape:
            if isinstance(size, int):
                if size < 0:
                    raise UsageError(f"inputs={tuple(shape)!r}: {size} is not a size. A size is zero or more.")
                sizes.append(size)
                continue
            names = axis_names(by_name=True)
            if size not in names:
                raise UsageError(
                    f"inputs={tuple(shape)!r}: {size!r} is not a dimension. "
                    f"Allowed: numbers, {', '.join(map(repr, names))}.{nearest(size, names)}"
                )
            sizes.append(self._named(size, sides, shape))
        return self._make(tuple(sizes), self._dtype)

    def _named(self, size: str, sides: Any, shape: Sequence[Any]) -> int:
        point = self._point.with_batch_one()
        if size == "res" and point.res is not None:
            return int(next(sides, point.res[0]))
        value = point.arguments().get(size)
        if value is None and size == "channels":
            return 3
        if value is None:
            raise UsageError(f"inputs={tuple(shape)!r} asks for {size!r}, which is not given. Add {size}=.")
        return int(value)


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


def _is_shape(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) > 0
        and all(isinstance(size, (int, str)) and not isinstance(size, bool) for size in value)
    )


def _is_small_integer(shape: Sequence[int], dtype: torch.dtype) -> bool:
    return not dtype.is_floating_point and not dtype.is_complex and is_small(shape, dtype)


def _meta(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device=META)


def _zeros_if_small(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    return torch.zeros(shape, dtype=dtype, device="cpu") if _is_small_integer(shape, dtype) else _meta(shape, dtype)


def _seeded(device: torch.device) -> Maker:
    generator = torch.Generator().manual_seed(0)

    def make(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        if dtype.is_floating_point or dtype.is_complex:
            return torch.randn(shape, generator=generator, device="cpu").to(device=device, dtype=dtype)
        return torch.zeros(shape, dtype=dtype, device=device)

    return make


def describe(arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> str:
    """The arguments of forward as text: ``float32 (1, 3, 224, 224)``."""
    parts = [_describe(value) for value in arguments]
    parts += [f"{name}={_describe(value)}" for name, value in keywords.items()]
    return ", ".join(parts)


def _describe(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(_describe(item) for item in value[:4])
        return f"[{inner}{', ...' if len(value) > 4 else ''}]"
    return _brief(value)


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
