"""What an object or container holds, read without calling code of its class: a lazy one stays as lazy as it is."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from types import GetSetDescriptorType, MemberDescriptorType, WrapperDescriptorType
from typing import Any

CONTAINERS = (dict, list, set, deque)
"""The containers that are looked into, with their subclasses."""

BUILT_IN = frozenset({OrderedDict, *CONTAINERS})
"""The classes of containers that no user defined."""


def attributes_of(value: Any) -> dict[str, Any]:
    """The attributes that an object holds in slots or in its dictionary."""
    found = {name: slot.__get__(value) for name, slot in slots_of(type(value)) if is_set(slot, value)}
    return {**found, **(dictionary_of(value) or {})}


def dictionary_of(value: Any) -> dict[str, Any] | None:
    """The dictionary of an object's attributes; ``None`` if it has none. A property named ``__dict__`` is none."""
    kinds = type(value).__mro__
    named = (vars(kind)["__dict__"] for kind in kinds if "__dict__" in vars(kind))
    if not isinstance(next(named, None), (GetSetDescriptorType, MemberDescriptorType, type(None))):
        return None
    try:
        own = built_in_method(value, "__getattribute__")(value, "__dict__")
    except AttributeError:
        return None
    return own if type(own) is dict else None


def built_in_method(value: Any, name: str) -> Callable[..., Any]:
    """A special method as the built-in class of an object has it: a class and a thread-local object have their own."""
    found = (vars(kind).get(name) for kind in type(value).__mro__)
    return next(method for method in found if isinstance(method, WrapperDescriptorType))


def slots_of(kind: type) -> Iterator[tuple[str, MemberDescriptorType]]:
    """The slots of a class, by the names that its attributes have."""
    for base in kind.__mro__:
        if "__slots__" in vars(base):
            yield from ((name, slot) for name, slot in vars(base).items() if isinstance(slot, MemberDescriptorType))


def is_set(slot: MemberDescriptorType, value: Any) -> bool:
    """Whether an object has a value in a slot."""
    try:
        slot.__get__(value)
    except AttributeError:
        return False
    return True


def is_container(value: Any) -> bool:
    """Whether a value is one of `CONTAINERS`. An object that stands for another is what it is itself."""
    return issubclass(type(value), CONTAINERS)


def built_in_class(container: Any) -> Any:
    """The built-in class that a container is of, whose methods a subclass may override."""
    own = type(container)
    return own if own in BUILT_IN else next(kind for kind in (OrderedDict, *CONTAINERS) if issubclass(own, kind))


def content_of(container: Any) -> dict[Any, Any] | list[Any]:
    """A copy of what a container holds: a dictionary or a list."""
    own = type(container)
    if own is dict or own is list:
        copy: dict[Any, Any] | list[Any] = container.copy()
        return copy
    kind = built_in_class(container)
    return dict(kind.items(container)) if issubclass(kind, dict) else list(kind.__iter__(container))
