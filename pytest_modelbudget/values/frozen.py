"""A mapping that cannot change: what a frozen value holds instead of a dictionary."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class FrozenMapping(Mapping[K, V]):
    """The items of a mapping as they were when it was made. It is equal to any mapping with the same items."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[K, V]) -> None:
        self._items = dict(items)

    def __getitem__(self, key: K) -> V:
        """The value of a key."""
        return self._items[key]

    def __iter__(self) -> Iterator[K]:
        """The keys, in order."""
        return iter(self._items)

    def __len__(self) -> int:
        """The number of items."""
        return len(self._items)

    def keys(self) -> KeysView[K]:
        """The keys, in order."""
        return self._items.keys()

    def values(self) -> ValuesView[V]:
        """The values, in order."""
        return self._items.values()

    def items(self) -> ItemsView[K, V]:
        """Keys and values, in order."""
        return self._items.items()

    def __repr__(self) -> str:
        """As a dictionary is written."""
        return repr(self._items)

    def __reduce__(self) -> Any:
        """Copied and pickled by its items."""
        return FrozenMapping, (self._items,)


NOTHING: FrozenMapping[Any, Any] = FrozenMapping({})
"""The mapping that is empty."""


def freeze(value: Any, *names: str) -> None:
    """Replace the mappings that a frozen dataclass was given, by the names of their fields. For ``__post_init__``."""
    for name in names:
        found = getattr(value, name)
        if not isinstance(found, FrozenMapping):
            object.__setattr__(value, name, FrozenMapping(found))
