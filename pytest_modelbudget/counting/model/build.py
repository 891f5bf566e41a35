"""From a factory to a model: built on the meta device, or for real where building needs values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from ...errors import BudgetError, TargetError
from ...values.point import OperatingPoint
from ..meta.execution import MetaBuild, NeedsData
from .inputs import call_by_name


@dataclass(frozen=True)
class Built:
    """A model made by a factory. ``on_meta`` is false when it had to be built for real."""

    model: torch.nn.Module
    on_meta: bool


@dataclass(frozen=True)
class Prebuilt:
    """A model that was built on meta already, and how to get it for real."""

    model: torch.nn.Module
    again: Callable[[], Any]


def build(factory: Callable[..., Any], point: OperatingPoint, *, real: bool = False) -> Built:
    """Call ``factory`` under the meta device, and again for real if that fails or if ``real``.

    A required parameter named ``batch``, ``res``, ``seq`` or ``channels`` gets that part of the point. Raises
    `TargetError` when the factory raises or returns no module, `UsageError` when it needs other arguments.
    """
    if not real:
        result = call_on_meta(lambda: call_by_name(factory, point, what="the factory"))
        if result.error is None:
            return Built(_module(result.value, factory), on_meta=True)
        if isinstance(result.error, BudgetError):
            raise result.error
    try:
        value = call_by_name(factory, point, what="the factory")
    except BudgetError:
        raise
    except Exception as error:
        raise TargetError(f"{_name(factory)}() raised {type(error).__name__}: {error}") from error
    return Built(_module(value, factory), on_meta=False)


@dataclass(frozen=True)
class Called:
    """What a call on the meta device gave: a value, or the error it ended with."""

    value: Any = None
    error: Exception | None = None


def call_on_meta(function: Callable[[], Any]) -> Called:
    """Call ``function`` so that the tensors it makes are on meta.

    A call in which an operator asked for data is an error even if the function went on without.
    """
    mode = MetaBuild()
    try:
        with mode, _comparisons_ask_for_values(mode):
            value = function()
    except Exception as error:  # noqa: BLE001 - the caller decides: it calls again for real, which raises what is real
        return Called(error=error)
    if mode.execution.needed:
        return Called(error=RuntimeError(f"{mode.execution.needed[0]} needs data"))
    return Called(value)


@contextmanager
def _comparisons_ask_for_values(mode: MetaBuild) -> Iterator[None]:
    """``torch.testing.assert_close`` lets meta tensors pass unseen: inside, it asks for values, as ``==`` does."""
    kind = torch.testing._comparison.TensorLikePair
    compare = kind.compare

    def asking(pair: Any) -> None:
        if pair.actual.is_meta or pair.expected.is_meta:
            mode.execution.needed.append("assert_close")
            raise NeedsData("assert_close")
        compare(pair)

    kind.compare = asking  # type: ignore[assignment]
    try:
        yield
    finally:
        kind.compare = compare  # type: ignore[method-assign]


def is_module(value: Any) -> bool:
    """Whether a value is a model."""
    return isinstance(value, torch.nn.Module)


def _module(value: Any, factory: Callable[..., Any]) -> torch.nn.Module:
    if not is_module(value):
        raise TargetError(f"{_name(factory)}() returned a value of type {type(value).__name__}, not an nn.Module.")
    model: torch.nn.Module = value
    return model


def _name(factory: Callable[..., Any]) -> str:
    return str(getattr(factory, "__name__", type(factory).__name__))
