"""The leftovers of a count: found first where a model's own modules keep things, then wherever they are, and undone."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import CellType, FrameType, FunctionType, ModuleType, TracebackType
from typing import Any

import torch

from ...errors import ModelError
from ..model.attributes import attributes_of
from ..model.process import no_garbage_collection
from ..recording.tensors import storages_of, tensors_in
from .imports import undisturbed_imports
from .made import Made
from .namespaces import LruCache, Namespaces
from .undo import UNKNOWN, Test, results_of, undo_in, undo_in_cache

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
            f"The model keeps tensors of the measurement in {', '.join(dict.fromkeys(unknown))}, and what was there "
            "before is not known: it is None now. Keep them in the model (register_buffer), in a dictionary, or in a "
            "function with functools.lru_cache."
        )


class Leftovers:
    """What a count leaves in the process.

    ``ran_unseen`` is set where something ran whose storages were not noted: then the namespaces around the target are
    searched in any case.
    """

    def __init__(self) -> None:
        self._made = Made()
        self._namespaces = Namespaces()
        self._lost: set[int] = set()
        self.ran_unseen = False
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
        if not left and not self.ran_unseen:
            return

        def is_left(value: Any) -> bool:
            return _holds(value, left, self._made.objects, _DEPTH)

        for holder, before in reversed(self._namespaces.contents.values()):  # what is inside of another comes later
            if not isinstance(holder, CellType) or (before is not (now := _value_of(holder)) and is_left(now)):
                undo_in(holder, is_left, before)
        for function in self._namespaces.caches.values():
            if any(map(is_left, results_of(function))):
                self._undo_in_cache(function, is_left)

    def undo(self) -> list[str]:
        """Undo all. Returns the names of what holds leftovers still, or held something else that is not known."""
        self.undo_near()
        left = self._left()
        if not left:
            return []
        return self._undo_far(left)

    def _undo_in_cache(self, function: Any, is_left: Test) -> None:
        """Undo in a cache. It may hold a result for a while that it does not give to anybody any more."""
        undo_in_cache(function, is_left)
        self._lost.update(*map(_storages_in, filter(is_left, results_of(function))))

    def _left(self) -> set[int]:
        """The addresses of the storages that were made, are alive, and are no garbage."""
        if not self._made.alive() and not self.ran_unseen:
            return set()
        gc.collect(0)
        return self._made.alive() - self._lost

    def _undo_far(self, left: set[int]) -> list[str]:
        """Search the process for what holds the leftovers, from the tensors up to what was there before the count."""
        unknown: list[str] = []
        made = self._made.objects
        tensors = [value for value in gc.get_objects() if issubclass(type(value), torch.Tensor) and id(value) in made]
        level = [tensor for tensor in tensors if not left.isdisjoint(_storages(tensor))]
        del tensors
        seen = {id(level), *map(id, level)}
        passed: dict[int, set[int]] = {}  # containers on the way up, and the ids of what they hold of the level below
        while level:
            inside = {id(value) for value in level}
            holders = [holder for holder in gc.get_referrers(*level) if id(holder) not in seen]
            seen.update(map(id, holders), [id(holders)])
            level = []
            for holder in holders:
                if isinstance(holder, _PASSING):
                    continue
                known = id(holder) in self._namespaces.contents
                if not known and (id(holder) in made or isinstance(holder, (tuple, frozenset))):
                    level.append(holder)
                    passed[id(holder)] = inside
                else:
                    unknown += self._undo_there(holder, inside, passed)
            seen.add(id(level))
        return unknown

    def _undo_there(self, holder: Any, inside: set[int], passed: dict[int, set[int]]) -> list[str]:
        """Undo in one holder, which is older than the count. Returns its name if what it held is not known."""

        def is_left(value: Any) -> bool:
            return id(value) in inside

        if type(holder) is LruCache:
            self._undo_in_cache(holder, is_left)
            return []
        contents = self._namespaces.contents
        if id(holder) in contents:
            return [] if undo_in(holder, is_left, contents[id(holder)][1]) else [_name(holder, is_left)]
        owner = _owner(holder) if type(holder) is dict else None
        if owner is None and isinstance(holder, (dict, list, set, deque)):
            undo_in(holder, is_left)
            return []
        holder = holder if owner is None else owner
        if id(holder) not in contents and all(_undo_inside(v, passed) for v in _values(holder) if is_left(v)):
            return []
        name = _name(holder, is_left)
        return [] if undo_in(holder, is_left, contents.get(id(holder), (holder, UNKNOWN))[1]) else [name]


def _undo_inside(value: Any, passed: dict[int, set[int]]) -> bool:
    """Undo inside a container that seemed to be made by the count. A dictionary that was empty before seems so, too."""
    inside = passed.get(id(value))
    if inside is None:
        return False
    if isinstance(value, tuple):
        return all(_undo_inside(item, passed) for item in value if id(item) in inside)
    if not isinstance(value, (dict, list, set, deque)):
        return False
    return undo_in(value, lambda item: id(item) in inside)


def _values(holder: Any) -> list[Any]:
    """What an object or a variable refers to, also by its dictionary of attributes."""
    own = getattr(holder, "__dict__", None)
    return [*gc.get_referents(holder), *(own.values() if isinstance(own, dict) else ())]


def _value_of(cell: CellType) -> Any:
    """The value of a variable of an enclosing function; ``None`` if it has none."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _owner(attributes: dict[Any, Any]) -> Any:
    """The class, module or object whose attributes a dictionary holds; ``None`` for a dictionary of its own."""
    for holder in gc.get_referrers(attributes):
        if isinstance(holder, type):
            if any(value is attributes for value in gc.get_referents(holder)):
                return holder
        elif getattr(holder, "__dict__", None) is attributes:
            return holder
    return None


def _name(holder: Any, is_left: Test) -> str:
    """What a message calls the attribute of a holder that holds leftovers."""
    if isinstance(holder, CellType):
        return "a variable of an enclosing function"
    named = isinstance(holder, (type, ModuleType, FunctionType))
    kind = holder.__name__ if named else type(holder).__name__
    attributes = vars(holder) if named else attributes_of(holder)
    return next((f"{kind}.{name}" for name, value in attributes.items() if is_left(value)), f"a {kind}")


def _holds(value: Any, left: set[int], made: set[int], depth: int) -> bool:
    """Whether a value is, or holds, a tensor that was made, or that is in one of the storages ``left``."""
    if isinstance(value, torch.Tensor):
        return id(value) in made or not left.isdisjoint(_storages(value))
    if not depth or isinstance(value, _NEVER):
        return False
    if isinstance(value, torch.nn.Module):
        items: Iterable[Any] = (*value.parameters(), *value.buffers(), *vars(value).values())
        depth = 2
    elif isinstance(value, Mapping):
        items = (item for pair in value.items() for item in pair)
    elif isinstance(value, (list, tuple, set, frozenset, deque)):
        items = value
    else:
        items = attributes_of(value).values()
    return any(_holds(item, left, made, depth - 1) for item in items)


def _storages_in(value: Any) -> set[int]:
    """The addresses of the storages of the tensors in a value."""
    if isinstance(value, torch.nn.Module):
        value = [*value.parameters(), *value.buffers()]
    return {key for tensor in tensors_in(value) for key in _storages(tensor)}


def _storages(tensor: torch.Tensor) -> set[int]:
    """The addresses of the storages of a tensor: none if it is lazy, or of a transformation that has ended."""
    try:
        return {storage._cdata for storage in storages_of(tensor)}
    except (RuntimeError, NotImplementedError, ValueError):
        return set()
