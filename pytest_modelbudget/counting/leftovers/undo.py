"""Taking what a count left out of the containers, classes, objects and caches that hold it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from types import CellType
from typing import Any

from ..recording.attributes import (
    attributes_of,
    built_in_class,
    built_in_method,
    content_of,
    dictionary_of,
    is_container,
)

Test = Callable[[Any], bool]
"""Whether a value is, or holds, what a count left."""


UNKNOWN: Any = object()
"""What a holder held before, where that was not noted."""


def undo_in(holder: Any, is_left: Test, before: Any = UNKNOWN) -> bool:
    """Take what is left out of a holder. ``before`` is what the holder held.

    Returns whether it holds now what it did: where that is `UNKNOWN`, an entry of a dictionary, list or set is taken to
    be new, and goes; an attribute or a variable may have had another value, and is ``None`` then.
    """
    if type(holder) is CellType:
        holder.cell_contents = None if before is UNKNOWN else before
        return before is not UNKNOWN
    if is_container(holder):
        _undo_in_container(holder, is_left, before)
        return True
    if issubclass(type(holder), type):
        return _undo_attributes(holder, dict(vars(holder)), is_left, before)
    return _undo_attributes(holder, attributes_of(holder), is_left, before)


def _undo_in_container(holder: Any, is_left: Test, before: Any) -> None:
    kind, now = built_in_class(holder), content_of(holder)
    if isinstance(now, dict):
        known = {} if before is UNKNOWN else before
        changed = [(key, value) for key, value in now.items() if key not in known or known[key] is not value]
        for key in [key for key, value in changed if is_left(value) or is_left(key)]:
            if key in known:
                kind.__setitem__(holder, key, before[key])
            else:
                kind.__delitem__(holder, key)
        return
    left = [item for item in now if is_left(item)]
    if left and issubclass(kind, set):
        kind.difference_update(holder, left)
    elif left:
        kept = [item for item in now if not is_left(item)] if before is UNKNOWN else before
        kind.clear(holder)
        kind.extend(holder, kept)


def _undo_attributes(holder: Any, now: dict[str, Any], is_left: Test, before: Any) -> bool:
    known = True
    set_, delete = built_in_method(holder, "__setattr__"), built_in_method(holder, "__delattr__")
    noted = {} if before is UNKNOWN else before
    changed = {name: value for name, value in now.items() if name not in noted or noted[name] is not value}
    names = [name for name, value in changed.items() if is_left(value)]
    for name in names:
        if before is not UNKNOWN and name in before:
            set_(holder, name, before[name])
        elif before is not UNKNOWN or _is_inherited(holder, name):
            delete(holder, name)
        else:
            set_(holder, name, None)
            known = False
    return known and bool(names)


def _is_inherited(holder: Any, name: str) -> bool:
    """Whether the attribute is there without its own value as well: the class of an object, or a base class has it."""
    kinds = holder.__mro__[1:] if issubclass(type(holder), type) else type(holder).__mro__
    return any(name in vars(kind) and not hasattr(vars(kind)[name], "__set__") for kind in kinds)


def undo_in_cache(function: Any, is_left: Test) -> None:
    """Remove results from the cache of a function with ``functools.lru_cache``: all, if it cannot be told which.

    CPython gives a cache's references in the order key, result, for each result, and the dictionary that finds them
    among them. A key that is missing there is computed again.
    """
    references = gc.get_referents(function)
    found = _dictionary(function, references)
    for i, value in enumerate(references):
        if found is not None and value is not found and is_left(value):
            for key in references[max(i - 1, 0) : i + 1]:
                if is_hashable(key):
                    found.pop(key, None)
    if found is not None:
        for key in [key for key, result in found.items() if is_left(result)]:
            del found[key]
    if not found:
        function.cache_clear()


def results_of(function: Any) -> list[Any]:
    """What the cache of a function with ``functools.lru_cache`` holds: keys and results, also those it lost."""
    references = gc.get_referents(function)
    return [*references, *(_dictionary(function, references) or {}).values()]


def _dictionary(function: Any, references: list[Any]) -> dict[Any, Any] | None:
    """The dictionary of a cache: of the two that it refers to, the one that is not its attributes."""
    own = dictionary_of(function)
    return next((value for value in references if type(value) is dict and value is not own), None)


def is_hashable(value: Any) -> bool:
    """Whether a value can be a key."""
    try:
        hash(value)
    except TypeError:
        return False
    return True
