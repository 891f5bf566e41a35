"""The storages that tensors get during a count, by weak references: those still alive after it are leftovers."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from .tensors import PLAIN, storages_of, tensors_in

_STRIDED = torch.strided

_ACTIVE: list[Made] = []  # the counts that run, the innermost last: a factory may measure, too


class Made:
    """What was made during one count: storages, and the ids of Python objects.

    Python's cycle collector does not run by itself meanwhile, so that what is made is in the youngest generation of
    objects; before anything collects garbage, the ids of that generation are noted.
    """

    def __init__(self) -> None:
        self._storages: list[weakref.ref[Any]] = []
        self._importing = False
        self.objects: set[int] = set()

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note what is made inside."""
        gc.collect(0)
        gc.callbacks.append(self._before_collection)
        _ACTIVE.append(self)
        try:
            yield
        finally:
            _ACTIVE.remove(self)

    def end(self) -> None:
        """Note no objects from here on."""
        gc.callbacks.remove(self._before_collection)

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Note no objects that are made inside: they belong to the modules that are imported."""
        gc.collect(0)
        self._importing = True
        try:
            yield
        finally:
            gc.collect(0)  # an import leaves errors in cycles, which keep the frames below it and their tensors
            self._importing = False

    def _before_collection(self, phase: str, info: Any) -> None:
        if phase == "start" and not self._importing:
            self.objects.update(map(id, gc.get_objects(generation=0)))

    def add(self, storages: Iterable[Any]) -> None:
        """Note storages."""
        self._storages += map(weakref.ref, storages)

    def add_references(self, storages: list[weakref.ref[Any]]) -> None:
        """Note storages by weak references to them."""
        self._storages += storages

    def alive(self) -> set[int]:
        """The addresses of the storages that are alive. The others are forgotten."""
        found = [storage for reference in self._storages if (storage := reference()) is not None]
        self._storages = [*map(weakref.ref, found)]
        return {storage._cdata for storage in found}


def note_result(result: Any, args: Iterable[Any]) -> None:
    """Note the storages of what an operator returned, but those of its arguments."""
    if not _ACTIVE:
        return
    if type(result) is torch.Tensor and not any(isinstance(arg, torch.Tensor) for arg in args):
        _ACTIVE[-1].add(storages_of(result))
    else:
        note_new(result, args)


def note_new(value: Any, given: Any) -> None:
    """Note the storages of the tensors in ``value``, but those of tensors in ``given``, which are the user's own."""
    if _ACTIVE:
        own = {storage._cdata for tensor in tensors_in(given) for storage in storages_of(tensor)}
        new = [storage for tensor in tensors_in(value) for storage in storages_of(tensor)]
        _ACTIVE[-1].add([storage for storage in new if storage._cdata not in own])


def note_all(tensors: list[torch.Tensor]) -> None:
    """Note the storages of ``tensors``, of which some may be lazy."""
    if not _ACTIVE:
        return
    made = _ACTIVE[-1]
    made.add([tensor.untyped_storage() for tensor in tensors if type(tensor) in PLAIN and tensor.layout is _STRIDED])
    for tensor in tensors:
        if (type(tensor) not in PLAIN or tensor.layout is not _STRIDED) and not is_lazy(tensor):
            made.add(storages_of(tensor))


def note_references(storages: list[weakref.ref[Any]]) -> None:
    """Note storages by weak references to them."""
    if _ACTIVE:
        _ACTIVE[-1].add_references(storages)
