"""Taking what a count left out of the containers, classes, objects and caches that hold it."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable
from typing import Any

from ..model.attributes import attributes_of
from .namespaces import LruCache

Test = Callable[[Any], bool]
"""Whether a value is, or holds, what a count left."""


def undo_in(holder: Any, is_left: Test, before: Any = None) -> bool:
    """Take what is left out of a holder. ``before`` is what the holder held, if that is known.

    Returns whether it holds now what it did: where its content is unknown, an entry of a dictionary, list, set or cache
    is taken to be new, and goes; an attribute may have had another value, and is ``None`` then.
    """
    if isinstance(holder, type):
        return _undo_attributes(holder, dict(vars(holder)), is_left, before)
    if isinstance(holder, dict):
        for key in [key for key, value in holder.items() if is_left(value) or is_left(key)]:
            if before is not None and key in before:
                holder[key] = before[key]
            else:
                del holder[key]
        return True
    if isinstance(holder, (list, deque)):
        kept = list(before) if before is not None else [item for item in holder if not is_left(item)]
        if any(map(is_left, holder)):
            holder.clear()
            holder.extend(kept)
        return True
    if isinstance(holder, set):
        holder -= {item for item in holder if is_left(item)}
        return True
    if type(holder) is LruCache:
        undo_in_cache(holder, is_left)
        return True
    return _undo_attributes(holder, attributes_of(holder), is_left, before)


def _undo_attributes(holder: Any, now: dict[str, Any], is_left: Test, before: Any) -> bool:
    known = True
    set_, delete = (setattr, delattr) if isinstance(holder, type) else (object.__setattr__, object.__delattr__)
    for name in [name for name, value in now.items() if is_left(value)]:
        if before is not None and name in before:
            set_(holder, name, before[name])
        elif before is not None or _is_inherited(holder, name):
            delete(holder, name)
        else:
            set_(holder, name, None)
            known = False
    return known


def _is_inherited(holder: Any, name: str) -> bool:
    """Whether the attribute is there without its own value as well: the class of an object, or a base class has it."""
    kinds = holder.__mro__[1:] if isinstance(holder, type) else type(holder).__mro__
    return any(name in vars(kind) and not hasattr(vars(kind)[name], "__set__") for kind in kinds)


def undo_in_cache(function: Any, is_left: Test) -> None:
    """Remove results from the cache of a function with ``functools.lru_cache``; all of them, if it cannot be told which.

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
    own = getattr(function, "__dict__", None)
    return next((value for value in references if type(value) is dict and value is not own), None)


def is_hashable(value: Any) -> bool:
    """Whether a value can be a key."""
    try:
        hash(value)
    except TypeError:
        return False
    return True
