"""The leftovers of a count: found first where a model's own modules keep things, then wherever they are, and undone."""

from __future__ import annotations

import gc
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import CellType, FrameType, FunctionType, ModuleType, TracebackType
from typing import Any

import torch

from ...errors import ModelError
from ..model.process import no_garbage_collection
from ..pytorch.private import INSIDE_MODULE_CALL
from ..recording.attributes import attributes_of, content_of, dictionary_of, is_container
from ..recording.made import Made
from ..recording.tensors import storages_of, tensors_in
from .imports import undisturbed_imports
from .namespaces import LruCache, Namespaces
from .undo import UNKNOWN, Test, results_of, undo_in, undo_in_cache

_DEPTH = 5  # how deep a value in a namespace is searched for tensors
_FEW = 200  # objects whose holders Python finds faster than a search that looks at the references of every object
_PASSING = (FrameType, TracebackType, ModuleType)  # code that runs, an error on its way; a module has its dictionary
_NEVER = (type, FunctionType, ModuleType, LruCache, str, bytes, int, float, complex, type(None))


@contextmanager
def undone(target: Any) -> Iterator[Leftovers]:
    """Undo what the code of ``target`` leaves in the process while it is counted inside.

    Modules that are imported inside keep what they make. Raises `ModelError` if it is not known what something that
    holds a leftover held before, unless another error is raised inside.
    """
    left, before = Leftovers(), sys.exc_info()[1]
    with no_garbage_collection():
        try:
            with left.watched(target):
                yield left
        except BaseException as error:
            let_go(error, before)
            raise
        finally:
            unknown = left.undo()
            left.end()
    if unknown:
        raise ModelError(
            f"The model keeps tensors of the measurement in {', '.join(dict.fromkeys(unknown))}, and what was there "
            "before is not known: it is None now. Keep them in the model (register_buffer), in a dictionary, or in a "
            "function with functools.lru_cache."
        )


def let_go(error: BaseException, before: BaseException | None = None) -> None:
    """Clear the variables of the functions that an error came from: whoever keeps the error would keep what they made.

    The functions that still run keep theirs, and so do those of ``before``, an error that was there before the count.
    """
    seen = {id(None), id(before)}
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            traceback.clear_frames(one.__traceback__)
            for frame, _ in traceback.walk_tb(one.__traceback__):
                _ = frame.f_locals  # before Python 3.13 the dictionary that it gave is brought up to date only here
                if frame.f_code in INSIDE_MODULE_CALL:
                    _clear_enclosing(frame)
            waiting += (one.__cause__, one.__context__)


def _clear_enclosing(frame: FrameType) -> None:
    """Clear the variables around the function of a frame. The call that made it has ended, and nobody else has it."""
    for function in gc.get_referents(frame):
        if type(function) is FunctionType and function.__code__ is frame.f_code:
            for cell in function.__closure__ or ():
                cell.cell_contents = None


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
        self._namespaces.complete()

        def is_left(value: Any) -> bool:
            return _holds(value, left, self._made.objects, _DEPTH)

        for holder, before in reversed(self._namespaces.contents.values()):  # what is inside of another comes later
            if type(holder) is not CellType or (before is not (now := _value_of(holder)) and is_left(now)):
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
        """Search the process for what was there before the count and holds leftovers now."""
        led = self._led_to(left)
        return [name for holder in _holders(led, self._made.objects) for name in self._undo_there(holder, set(led))]

    def _led_to(self, left: set[int]) -> dict[int, Any]:
        """The objects that were made by the count and lead to the storages ``left``, by their ids: tensors first."""
        made = [
            value
            for value in gc.get_objects()
            if id(value) in self._made.objects and not issubclass(type(value), _PASSING)
        ]
        above: dict[int, list[Any]] = {}
        for value in made:
            for item in gc.get_referents(value):
                above.setdefault(id(item), []).append(value)
        waiting = [v for v in made if issubclass(type(v), torch.Tensor) and not left.isdisjoint(_storages(v))]
        found: dict[int, Any] = {}
        while waiting:
            value = waiting.pop()
            if id(value) not in found:
                found[id(value)] = value
                waiting += above.get(id(value), ())
        return found

    def _undo_there(self, holder: Any, led: set[int]) -> list[str]:
        """Undo in one holder, which is older than the count. Returns its name if what it held is not known."""

        def is_left(value: Any) -> bool:
            return id(value) in led

        if type(holder) is LruCache:
            self._undo_in_cache(holder, is_left)
            return []
        contents = self._namespaces.contents
        if id(holder) in contents:
            return [] if undo_in(holder, is_left, contents[id(holder)][1]) else [_name(holder, is_left)]
        if (local := _local_of(holder)) is not None:
            return _undo_in_threads(local, holder, is_left)
        owner = _owner(holder) if type(holder) is dict else None
        if owner is None and is_container(holder):
            undo_in(holder, is_left)
            return []
        holder = holder if owner is None else owner
        if id(holder) not in contents and all(_undo_inside(v, led) for v in _values(holder) if is_left(v)):
            return []
        name = _name(holder, is_left)
        return [] if undo_in(holder, is_left, contents.get(id(holder), (holder, UNKNOWN))[1]) else [name]


def _holders(led: dict[int, Any], made: set[int]) -> list[Any]:
    """The objects older than the count that refer to one of those in ``led``. Code that runs is none of them."""
    values = tuple(led.values())  # the call is given this very tuple, which refers to them as well
    if len(values) <= _FEW:
        found = gc.get_referrers(*values) if values else []
    else:
        ids = set(led)
        found = [value for value in gc.get_objects() if not ids.isdisjoint(map(id, gc.get_referents(value)))]
    own = (id(values), id(led))
    return [v for v in found if id(v) not in made and id(v) not in own and not issubclass(type(v), _PASSING)]


def _undo_inside(value: Any, led: set[int]) -> bool:
    """Undo inside a container that seemed to be made by the count. A dictionary that was empty before seems so, too."""
    if issubclass(type(value), tuple):
        return all(_undo_inside(item, led) for item in value if id(item) in led)
    if not is_container(value):
        return False
    return undo_in(value, lambda item: id(item) in led)


def _values(holder: Any) -> list[Any]:
    """What an object or a variable refers to, also by its dictionary of attributes."""
    return [*gc.get_referents(holder), *(dictionary_of(holder) or {}).values()]


def _value_of(cell: CellType) -> Any:
    """The value of a variable of an enclosing function; ``None`` if it has none."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _local_of(holder: Any) -> Any:
    """The ``threading.local`` object of which ``holder`` has the attributes, by thread; ``None`` if there is none.

    The object counts on it to keep them alive.
    """
    if type(holder) is not dict:
        return None
    return next((owner for owner in gc.get_referrers(holder) if issubclass(type(owner), threading.local)), None)


def _undo_in_threads(local: threading.local, by_thread: dict[Any, Any], is_left: Test) -> list[str]:
    """Undo in the attributes that an object has in each thread. Returns their names: what they were is not known."""
    names = []
    for attributes in by_thread.values():
        for name in [name for name, value in attributes.items() if is_left(value)]:
            attributes[name] = None
            names.append(f"{type(local).__name__}.{name}")
    return names


def _owner(attributes: dict[Any, Any]) -> Any:
    """The class, module or object whose attributes a dictionary holds; ``None`` for a dictionary of its own."""
    for holder in gc.get_referrers(attributes):
        if (local := _local_of(holder)) is not None:
            return local
        if issubclass(type(holder), type):
            if any(value is attributes for value in gc.get_referents(holder)):
                return holder
        elif dictionary_of(holder) is attributes:
            return holder
    return None


def _name(holder: Any, is_left: Test) -> str:
    """What a message calls the attribute of a holder that holds leftovers."""
    if type(holder) is CellType:
        return "a variable of an enclosing function"
    named = issubclass(type(holder), (type, ModuleType, FunctionType))
    kind = holder.__name__ if named else type(holder).__name__
    attributes = vars(holder) if named else attributes_of(holder)
    return next((f"{kind}.{name}" for name, value in attributes.items() if is_left(value)), f"a {kind}")


def _holds(value: Any, left: set[int], made: set[int], depth: int) -> bool:
    """Whether a value is, or holds, a tensor that was made, or that is in one of the storages ``left``."""
    kind = type(value)
    if issubclass(kind, torch.Tensor):
        return id(value) in made or not left.isdisjoint(_storages(value))
    if not depth or issubclass(kind, _NEVER):
        return False
    if issubclass(kind, torch.nn.Module):
        items: Iterable[Any] = (*value.parameters(), *value.buffers(), *vars(value).values())
        depth = 2
    elif is_container(value):
        content = content_of(value)
        items = (*content, *content.values()) if isinstance(content, dict) else content
    elif issubclass(kind, (tuple, frozenset)):
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
