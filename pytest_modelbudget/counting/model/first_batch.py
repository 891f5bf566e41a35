"""The first batch of ``loader=``, and which arguments of the model it is. No further batch is read."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader

from ...errors import BudgetError, UsageError
from ...values.parameters import parameters_of, required_positional
from ...values.point import OperatingPoint
from .by_name import call_by_name
from .process import seed

_ITERATORS: dict[int, tuple[Any, Any]] = {}
"""By identity, iterators with the batch that was read from them: they have no first one a second time."""


@dataclass(frozen=True)
class FirstBatch:
    """A batch as the user's loader gave it."""

    batch: Any

    def arguments(self, called: Callable[..., Any], *, step: bool) -> Any:
        """The batch as a form of ``inputs=`` for what is ``called``: a training step gets all of it.

        Of a tuple or a list, the model gets as many as it must be given, at least the first; of a dict those that it
        has parameters for. So labels that only a loss needs are left out.
        """
        batch = self.batch
        if isinstance(batch, Mapping) and not hasattr(type(batch), "__torch_function__"):
            return _keywords(dict(batch), called, step=step)
        if type(batch) in (tuple, list):
            return tuple(batch if step else batch[: max(1, _required(called, len(batch)))])
        return (batch,)


def read_first(loader: Any, point: OperatingPoint) -> FirstBatch:
    """Read the first batch of a loader, or of what a callable makes, with the generators of random numbers seeded.

    Raises `UsageError` for a loader without a batch, and with the line of an error that it raises.
    """
    if id(loader) in _ITERATORS:
        return FirstBatch(_ITERATORS[id(loader)][1])
    seed()
    try:
        made = call_by_name(loader, point, what="loader=") if _makes_one(loader) else loader
        with _in_this_process(made):
            iterator = iter(made)
            batch = next(iterator, _NONE)
    except BudgetError:
        raise
    except Exception as error:
        file, line, *_ = traceback.extract_tb(error.__traceback__)[-1]
        raise UsageError(f"loader= raised {type(error).__name__}: {error}\n    {file}:{line}") from error
    if batch is _NONE:
        raise UsageError(f"loader= gave no batch: the {type(made).__name__} is empty.")
    if iterator is loader:
        _ITERATORS[id(loader)] = (loader, batch)
    return FirstBatch(batch)


_NONE = object()


def _makes_one(loader: Any) -> bool:
    return callable(loader) and not hasattr(loader, "__iter__") and not hasattr(loader, "__getitem__")


@contextmanager
def _in_this_process(loader: Any) -> Iterator[None]:
    """Read a `DataLoader` without workers, which read ahead, and leave its generators as they were."""
    if not isinstance(loader, DataLoader):
        yield
        return
    options = {"num_workers": 0, "timeout": 0}
    before = {name: getattr(loader, name) for name in options}
    holders = (loader, loader.sampler, getattr(loader.batch_sampler, "sampler", None))
    generators = [g for one in holders if isinstance(g := getattr(one, "generator", None), torch.Generator)]
    states = [generator.get_state() for generator in generators]
    vars(loader).update(options)
    try:
        yield
    finally:
        vars(loader).update(before)
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


def _keywords(batch: dict[Any, Any], called: Callable[..., Any], *, step: bool) -> Any:
    parameters = _parameters(called)
    if not all(isinstance(name, str) for name in batch):
        return (batch,)
    if step or any(one.kind is one.VAR_KEYWORD for one in parameters):
        return batch
    taken = {name: value for name, value in batch.items() if name in {one.name for one in parameters}}
    return taken or (batch,)


def _required(called: Callable[..., Any], most: int) -> int:
    parameters = _parameters(called)
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return most
    return len(required_positional(parameters))


def _parameters(called: Callable[..., Any]) -> tuple[inspect.Parameter, ...]:
    """Those of a function, or of a model's forward."""
    return parameters_of(called.forward if isinstance(called, torch.nn.Module) else called) or ()
