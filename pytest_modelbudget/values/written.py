"""A limit as it stands in a file: what is written there, and the place, so that another number can be put in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Place:
    """Where an argument is written: a call in a Python file, or a table in a TOML file.

    ``digest`` is that of the file's bytes when it was read. A call is known by the ``line`` it begins in, and by
    ``end``, the line and the column (in bytes of UTF-8) it ends at, where Python tells them. A table is known by its
    ``path`` of keys. ``argument`` is the argument's name.
    """

    file: str
    digest: str
    argument: str
    line: int = 0
    end: tuple[int, int] | None = None
    path: tuple[str | int, ...] = ()


@dataclass(frozen=True)
class Written:
    """A limit with its place: ``value`` is as written, ``...`` for one that is to be filled in."""

    value: Any
    place: Place


@dataclass(frozen=True)
class Wish:
    """A limit that a run would write: ``used`` of ``metric`` was measured for ``entry``, and ``place`` is where."""

    entry: str
    metric: str
    used: int
    place: Place

    def to_dict(self) -> dict[str, Any]:
        """Plain data: it may cross to another process."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Wish:
        """The inverse of `to_dict`."""
        place = dict(data["place"])
        end = place["end"]
        place |= {"path": tuple(place["path"]), "end": None if end is None else tuple(end)}
        return cls(data["entry"], data["metric"], data["used"], Place(**place))
