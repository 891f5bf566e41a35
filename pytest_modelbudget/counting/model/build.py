"""From a factory to a model: built on the meta device, or for real where building it needs values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from ...errors import BudgetError, TargetError
from ...values.kinds import name_of
from ...values.point import OperatingPoint
from ..meta.devices import on_any_device
from ..meta.layout import META
from ..meta.missing_data import MissingData, NeedsData
from ..meta.subclasses import constructed_by_parts
from ..pytorch.private import TRACES, TensorLikePair
from ..pytorch.replaced import replaced
from .build_mode import MetaBuildMode
from .by_name import call_by_name
from .unexpected import hint_at_argument


def build(
    factory: Callable[..., Any],
    point: OperatingPoint,
    *,
    real: bool = False,
    spread: Callable[[torch.nn.Module], torch.nn.Module] | None = None,
) -> torch.nn.Module:
    """Call ``factory`` on the meta device, and for real if that fails or if ``real``.

    A required parameter named ``batch``, ``res``, ``seq`` or ``channels`` gets that part of the point. ``spread``
    parallelises what it returns. Raises `TargetError` when the factory raises or returns no module, `UsageError` when
    it needs other arguments.
    """

    def call() -> Any:
        value = call_by_name(factory, point, what="the factory")
        return value if spread is None else spread(_module(value, factory))

    if not real:
        result = call_on_meta(call)
        if result.error is None:
            return _module(result.value, factory)
        if isinstance(result.error, BudgetError):
            raise result.error
    try:
        value = _on_hand(call)
    except BudgetError:
        raise
    except Exception as error:
        hint = hint_at_argument(error)
        raise TargetError(f"{_name(factory)}() raised {type(error).__name__}: {error}{hint}") from error
    return _module(value, factory)


@dataclass(frozen=True)
class Called:
    """The value that a call on the meta device returned, or the error it ended with."""

    value: Any = None
    error: Exception | None = None


def call_on_meta(function: Callable[[], Any]) -> Called:
    """Call ``function`` so that the tensors it creates are on the meta device.

    If an operator asked for data, the call ended with an error even if the function caught that and went on.
    """
    try:
        return Called(on_any_device(lambda: _called_on_meta(function), META))
    except Exception as error:  # noqa: BLE001 - callers call again for real, which raises the function's own errors
        return Called(error=error)


def _called_on_meta(function: Callable[[], Any]) -> Any:
    mode = MetaBuildMode()
    missing = mode.execution.missing
    with mode, constructed_by_parts(), _assert_close_needs_data(missing), _tracing_needs_data(missing):
        value = function()
    if missing.asked:
        raise NeedsData(missing.asked[0].operator)
    return value


def _on_hand(function: Callable[[], Any]) -> Any:
    """Call ``function`` with data: the CPU stands in for CUDA where there is none."""
    return function() if torch.cuda.is_available() else on_any_device(function, torch.device("cpu"))


@contextmanager
def _assert_close_needs_data(missing: MissingData) -> Iterator[None]:
    """Let ``torch.testing.assert_close`` ask for data, as ``==`` does: it takes meta tensors for equal."""
    kind = TensorLikePair
    compare = kind.compare

    def asking(pair: Any) -> None:
        if pair.actual.is_meta or pair.expected.is_meta:
            raise missing.add("assert_close")
        compare(pair)

    kind.compare = asking  # type: ignore[assignment]
    try:
        yield
    finally:
        kind.compare = compare  # type: ignore[method-assign]


@contextmanager
def _tracing_needs_data(missing: MissingData) -> Iterator[None]:
    """Let ``torch.jit.trace`` ask for data before it begins: an error in the midst of a trace spoils later ones."""

    def asking(*args: Any, **options: Any) -> None:
        raise missing.add("torch.jit.trace")

    with ExitStack() as stack:
        for place in TRACES:
            stack.enter_context(replaced(place.owner, place.name, asking))
        yield


def is_module(value: Any) -> bool:
    """Whether a value is a model."""
    return isinstance(value, torch.nn.Module)


def is_module_class(value: Any) -> bool:
    """Whether a value is a class of models."""
    return isinstance(value, type) and issubclass(value, torch.nn.Module)


def _module(value: Any, factory: Callable[..., Any]) -> torch.nn.Module:
    if not is_module(value):
        raise TargetError(f"{_name(factory)}() returned a value of type {type(value).__name__}, not an nn.Module.")
    model: torch.nn.Module = value
    return model


def _name(factory: Callable[..., Any]) -> str:
    return name_of(factory.func if isinstance(factory, partial) else factory)
