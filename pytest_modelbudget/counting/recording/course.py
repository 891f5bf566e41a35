"""The recorder of the course of a count: its operator calls, and what the model's own code does with sizes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch

from ...values.course import Course, Event
from ..operators.count import Count


class CourseRecorder:
    """Records the course of a count, of which `course` gives all events.

    With ``sizes``, `SizeMode` hands out sizes that record what is done with them, while ``active`` is true.
    """

    def __init__(self, *, sizes: bool) -> None:
        self.sizes = sizes
        self.active = False
        self._events: list[Event] = []

    def start(self) -> None:
        """Begin with a model that is about to run. The events of an earlier attempt are dropped."""
        self._events.clear()

    def call(self, module: str, operator: str, count: Count | None, out: Any) -> None:
        """Record an operator call; ``count`` is ``None`` for an operator that is free, or has no formula."""
        sizes = _sizes(out)
        key = ("call", module, operator, tuple(map(len, sizes)))
        self._events.append(Event(key, (*(count or _NOTHING), *(size for one in sizes for size in one))))

    def note(self, key: tuple[Any, ...], *values: Any) -> None:
        """Record what was done with a size."""
        if self.active:
            self._events.append(Event(key, values))

    def course(self) -> Course:
        """All events so far."""
        return Course(tuple(self._events))


_NOTHING = Count(0, 0, 0, 0)
_CURRENT: ContextVar[CourseRecorder | None] = ContextVar("modelbudget_course_recorder", default=None)


def current_recorder() -> CourseRecorder | None:
    """The recorder of the innermost `record_course` that is active, if any."""
    return _CURRENT.get()


@contextmanager
def record_course(*, sizes: bool = False) -> Iterator[CourseRecorder]:
    """Record the course of what is measured inside; of several measurements, or attempts, that of the last."""
    recorder = CourseRecorder(sizes=sizes)
    token = _CURRENT.set(recorder)
    try:
        yield recorder
    finally:
        recorder.active = False
        _CURRENT.reset(token)


def _sizes(out: Any) -> list[tuple[int, ...]]:
    if isinstance(out, torch.Tensor):
        return [tuple(out.shape)] if out.layout == torch.strided and not out.is_nested else [()]
    if isinstance(out, (list, tuple)):
        return [size for item in out for size in _sizes(item)]
    return []
