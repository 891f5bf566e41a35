"""The leftovers of a count: found, first where a model's own modules keep things, then wherever they are, and undone."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import CellType, FrameType, FunctionType, ModuleType, TracebackType
from typing import Any

import torch

from ...errors import ModelError
from ..model.attributes import attributes_of
from ..model.process import no_garbage_collection
from ..recording.tensors import storages_of
from .imports import undisturbed_imports
from .made import Made
from .namespaces import LruCache, Namespaces
from .undo import results_of, undo_in, undo_in_cache

_DEPTH = 5  # how deep a value in a namespace is searched for tensors
_PASSING = (FrameType, TracebackType, ModuleType)  # code that runs, an error on its way; a module has its dictionary
_NEVER = (type, FunctionType, ModuleType, LruCache, str, bytes, int, float, complex, type(None))


@contextmanager
def undone(target: Any) -> Iterator[Leftovers]:
    """Undo what the code of ``target`` leaves in the process while it is counted inside.

    Modules that are imported inside keep what they make. Raises `ModelError` if it is not known what something that
    holds a leftover held before, unless another error is raised inside.
    """
    left = Leftovers()
    with no_garbage_collection():
        try:
            with left.watched(target):
                yield left
        finally:
            unknown = left.undo()
            left.end()
    if unknown:
        raise ModelError(
            f"The model keeps tensors of the measurement in {', '.join(dict.fromkeys(unknown))}, and what was there before "
            "is not known: it is None now. Keep them in the model (register_buffer), in a dictionary, or in a function "
            "with functools.lru_cache."
        )


class Leftovers:
    """What a count leaves in the process."""

    def __init__(self) -> None:
        self._made = Made()
        self._namespaces = Namespaces()
        self.end = self._made.end

    @contextmanager
    def watched(self, target: Any) -> Iterator[None]:
        """Note what is made inside."""
        with self._made.noting():
            self._namespaces.add_around(target)
            with undisturbed_imports(self._made.importing, self._namespaces.add):
                yield

    def undo_near(self) -> None:
        """Undo what the namespaces around the target hold, also while the model that was built is alive."""
        left = self._left()
        if not left:
            return

        def is_left(value: Any) -> bool:
            return _holds(value, left, _DEPTH)

        for holder, before in reversed(self._namespaces.contents.values()):  # what is inside of another comes later
            undo_in(holder, is_left, before)
        for function in self._namespaces.caches.values():
            if any(map(is_left, results_of(function))):
                undo_in_cache(function, is_left)

    def undo(self) -> list[str]:
        """Undo all. Returns the names of what holds leftovers still, or held something else that is not known."""
        self.undo_near()
        left = self._left()
        return self._undo_far(left) if left else []

    def _left(self) -> set[int]:
        """The addresses of the storages that were made, are alive, and are no garbage."""
        if not self._made.alive():
            return set()
        gc.collect(0)
        alive = self._made.alive()
        if not alive:
            return set()
        made = self._made.objects
        older = [value for value in gc.get_objects() if issubclass(type(value), torch.Tensor) and id(value) not in made]
        return alive.difference(*map(_storages, older))

    def _undo_far(self, left: set[int]) -> list[str]:
        """Search the process for what holds the leftovers, from the tensors up to what was there before the count."""
        unknown: list[str] = []
        made = self._made.objects
        level = [o for o in gc.get_objects() if issubclass(type(o), torch.Tensor) and not left.isdisjoint(_storages(o))]
        seen = {id(level), *map(id, level)}
        while level:
            inside = {id(value) for value in level}
            holders = [holder for holder in gc.get_referrers(*level) if id(holder) not in seen]
            seen.update(map(id, holders), [id(holders)])
            level = []
            for holder in holders:
                if isinstance(holder, _PASSING):
                    continue
                if id(holder) in made or isinstance(holder, (tuple, frozenset)):
                    level.append(holder)
                else:
                    unknown += self._undo_there(holder, inside)
            seen.add(id(level))
        return unknown

    def _undo_there(self, holder: Any, inside: set[int]) -> list[str]:
        """Undo in one holder, which is older than the count. Returns its name if what it held is not known."""

        def is_left(value: Any) -> bool:
            return id(value) in inside

        if isinstance(holder, CellType):
            holder.cell_contents = None
            return ["a variable of an enclosing function"]
        _, before = self._namespaces.contents.get(id(holder), (None, None))
        owner = _owner(holder) if type(holder) is dict and before is None else None
        if owner is None:
            return [] if undo_in(holder, is_left, before) else [_name(holder, is_left)]
        if isinstance(owner, type):
            _, before = self._namespaces.contents.get(id(owner), (None, None))
        name = _name(owner, is_left)
        return [] if undo_in(owner, is_left, before) else [name]


def _owner(attributes: dict[Any, Any]) -> Any:
    """The class, module or object whose attributes a dictionary holds; ``None`` for a dictionary of its own."""
    for holder in gc.get_referrers(attributes):
        if isinstance(holder, type):
            if any(value is attributes for value in gc.get_referents(holder)):
                return holder
        elif getattr(holder, "__dict__", None) is attributes:
            return holder
    return None


def _name(holder: Any, is_left: Any) -> str:
    """What a message calls the attribute of a holder that holds leftovers."""
    names = [name for name, value in attributes_of(holder).items() if is_left(value)]
    if isinstance(holder, (type, ModuleType)):
        names = [name for name, value in vars(holder).items() if is_left(value)]
        kind = holder.__name__
    else:
        kind = type(holder).__name__
    return f"{kind}.{names[0]}" if names else f"a {kind}"


def _holds(value: Any, alive: set[int], depth: int) -> bool:
    """Whether a value is, or holds, a tensor in one of the storages ``alive``."""
    if isinstance(value, torch.Tensor):
        return not alive.isdisjoint(_storages(value))
    if not depth or isinstance(value, _NEVER):
        return False
    if isinstance(value, torch.nn.Module):
        tensors = [*value.parameters(), *value.buffers()]
        return any(_holds(t, alive, 1) for t in tensors) or any(_holds(v, alive, 1) for v in vars(value).values())
    if isinstance(value, Mapping):
        return any(_holds(item, alive, depth - 1) for pair in value.items() for item in pair)
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(_holds(item, alive, depth - 1) for item in value)
    return any(_holds(item, alive, depth - 1) for item in attributes_of(value).values())


def _storages(tensor: torch.Tensor) -> set[int]:
    """The addresses of the storages of a tensor: none if it is lazy, or of a transformation that has ended."""
    try:
        return {storage._cdata for storage in storages_of(tensor)}
    except (RuntimeError, NotImplementedError, ValueError):
        return set()
