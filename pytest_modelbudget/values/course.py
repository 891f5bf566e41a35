"""The course of a count: its operator calls, and what the model's own code did with sizes, in order."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
}
"""What the model's own code may ask of two sizes; the answer is part of the course."""

ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "pow": operator.pow,
    "lshift": operator.lshift,
    "rshift": operator.rshift,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
}
"""What it may do with two sizes that need not give a line where they are lines."""


class Event(NamedTuple):
    """One step of a course. ``key`` is what must be the same at every batch, ``values`` what may be a line.

    ``("call", module, operator, sizes)``: multiply-adds, FLOPs in both conventions, activations, then the sizes of
    what it returned. ``("compare", name, answer)``: both sides. ``("compute", name)``: both sides and the result.
    ``("read", how)``: a size that left our sight.
    """

    key: tuple[Any, ...]
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Course:
    """All that happened in one count, in order."""

    events: tuple[Event, ...]

    @cached_property
    def keys(self) -> tuple[Any, ...]:
        """What must be the same at every batch."""
        return tuple(event.key for event in self.events)

    @cached_property
    def calls(self) -> tuple[Event, ...]:
        """The operator calls."""
        return tuple(event for event in self.events if event.key[0] == "call")
