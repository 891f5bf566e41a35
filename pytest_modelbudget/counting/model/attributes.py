"""The attributes of an object: those in its slots, and those in its dictionary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def attributes_of(value: Any) -> dict[str, Any]:
    """The attributes that an object holds in slots or in its dictionary."""
    found = {name: getattr(value, name) for name in slots_of(type(value)) if hasattr(value, name)}
    own = getattr(value, "__dict__", None)
    return {**found, **own} if isinstance(own, dict) else found


def slots_of(kind: type) -> Iterator[str]:
    """The names of the slots of a class, as attributes."""
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__"):
                private = name.startswith("__") and not name.endswith("__")
                yield f"_{base.__name__.lstrip('_')}{name}" if private else name
