"""A test's own code, watched while pytest runs it: it may be a factory, and what it returns is the model."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from ..counting.leftovers.leftovers import undone
from ..gate.subject import Body, build_on_meta
from ..values.point import OperatingPoint


class Watched:
    """A test's own code, watched: what it returned, and whether it did. It returns nothing to pytest.

    ``build`` says that it is a factory, which is called in the process group that ``point`` asks for. What it
    leaves in the process is undone when ``leaving`` is closed.
    """

    def __init__(self, function: Callable[..., Any], *, build: bool, leaving: ExitStack, point: OperatingPoint) -> None:
        self._leaving = leaving
        self._function = function
        self._build = build
        self._point = point
        self._arguments: tuple[Any, ...] = ()
        self._keywords: dict[str, Any] = {}
        self._returned: Any = None
        self._on_meta = False
        self.started = self.finished = False

    def wrapped(self) -> Callable[..., Any]:
        """The function to run in the test's stead."""
        if inspect.iscoroutinefunction(self._function):

            @functools.wraps(self._function)
            async def watched_async(*args: Any, **kwargs: Any) -> None:
                self.started = True
                self._returned = await self._function(*args, **kwargs)
                self.finished = True

            return watched_async

        @functools.wraps(self._function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self._arguments, self._keywords = args, kwargs
            self.started, self.finished = True, False
            if self._build:
                self._leaving.enter_context(undone(self._function))
                self._returned, self._on_meta = build_on_meta(self._again, self._point)
            else:
                self._returned = self._function(*args, **kwargs)
            self.finished = True
            awaitable = hasattr(self._returned, "__await__") or hasattr(self._returned, "__aiter__")
            return self._returned if awaitable else None  # what nobody awaited has not run, as pytest will say

        return watched

    def body(self) -> Body:
        """What the gate needs to know of it."""
        return Body(self._returned, self._on_meta, self._again if self._build else None)

    def release(self) -> None:
        """Let go of what the test returned."""
        self._returned = None

    def _again(self, **changed: Any) -> Any:
        return self._function(*self._arguments, **{**self._keywords, **changed})
