"""What happens while a model is counted, as a `Course`: its operator calls, and what its code does with sizes.

Sizes are handed to the model's own code as whole numbers that remember being compared and divided. Code that was
given such a number keeps a whole number when the count is over: it then notes nothing any more.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ...values.course import ARITHMETIC, COMPARISONS, Course, Event
from ..operators.count import Count


class Watch:
    """Notes the course of a count. ``sizes`` also hands out sizes that note what is done with them."""

    def __init__(self, *, sizes: bool) -> None:
        self.sizes = sizes
        self.active = False
        self._events: list[Event] = []

    def start(self) -> None:
        """A model is about to run: what an earlier attempt noted does not count."""
        self._events.clear()

    def call(self, module: str, operator: str, count: Count | None, out: Any) -> None:
        """An operator was called; ``count`` is ``None`` for one that is free."""
        sizes = _sizes(out)
        key = ("call", module, operator, tuple(map(len, sizes)))
        self._events.append(Event(key, (*(count or _FREE), *(size for one in sizes for size in one))))

    def note(self, key: tuple[Any, ...], *values: Any) -> None:
        """Something was done with a size."""
        if self.active:
            self._events.append(Event(key, values))

    def course(self) -> Course:
        """All that was noted."""
        return Course(tuple(self._events))

    def handing_out(self) -> Any:
        """A mode in which the sizes that code reads are watched, or one that does nothing."""
        return _HandsOut(self) if self.sizes else nullcontext()


_FREE = Count(0, 0, 0, 0)
_CURRENT: ContextVar[Watch | None] = ContextVar("modelbudget_watch", default=None)


def current() -> Watch | None:
    """The watch that is on, if any."""
    return _CURRENT.get()


@contextmanager
def watching(*, sizes: bool = False) -> Iterator[Watch]:
    """Note the course of what is measured inside; of several measurements, or attempts, the last."""
    watch = Watch(sizes=sizes)
    token = _CURRENT.set(watch)
    try:
        yield watch
    finally:
        watch.active = False
        _CURRENT.reset(token)


def _sizes(out: Any) -> list[tuple[int, ...]]:
    if isinstance(out, torch.Tensor):
        return [tuple(out.shape)] if out.layout == torch.strided and not out.is_nested else [()]
    if isinstance(out, (list, tuple)):
        return [size for item in out for size in _sizes(item)]
    return []


class _HandsOut(TorchFunctionMode):
    """Whatever tells a size tells a watched one; other values that are no tensors are part of the course."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def __enter__(self) -> Any:
        self._watch.active = True
        return super().__enter__()

    def __exit__(self, *args: Any) -> None:
        self._watch.active = False
        super().__exit__(*args)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            return out
        if func is torch.Tensor.__len__:  # len() makes a plain number of what it gets
            self._watch.note(("read", "len"), int(out))
            return out
        return self._watched(out)

    def _watched(self, out: Any) -> Any:
        if isinstance(out, torch.Size):
            return torch.Size([_Size.of(size, self._watch) for size in out])
        if isinstance(out, (bool, float)):
            self._watch.note(("read", "value"), out)
        elif isinstance(out, int):
            return _Size.of(out, self._watch)
        elif type(out) is tuple:
            return tuple(self._watched(item) for item in out)
        return out


class _Size(int):
    """A whole number that notes what is asked of it."""

    _watch: Watch

    @classmethod
    def of(cls, value: int, watch: Watch) -> _Size:
        """``value``, watched."""
        size = cls.__new__(cls, value)
        size._watch = watch
        return size

    def __reduce__(self) -> Any:
        return int, (int.__int__(self),)

    def __copy__(self) -> int:
        return int.__int__(self)

    def __deepcopy__(self, memo: Any) -> int:
        return int.__int__(self)


def _plain(value: Any) -> Any:
    return int.__int__(value) if isinstance(value, _Size) else value


def _line_keeping(name: str, swapped: bool) -> Callable[[Any, Any], Any]:
    """Sums and products: what comes of them is watched in its turn."""
    function = getattr(operator, name)

    def method(self: _Size, other: Any) -> Any:
        if not isinstance(other, int):
            if isinstance(other, float):
                self._watch.note(("read", name), _plain(self))
            return getattr(int, f"__{'r' if swapped else ''}{name}__")(self, other)
        pair = (_plain(other), _plain(self)) if swapped else (_plain(self), _plain(other))
        return _Size.of(function(*pair), self._watch)

    return method


def _noted(name: str, swapped: bool) -> Callable[[Any, Any], Any]:
    """Divisions and the like: noted with both sides, to be done again at other batches."""
    function = ARITHMETIC[name]

    def method(self: _Size, other: Any) -> Any:
        if not isinstance(other, int):
            if isinstance(other, float):
                self._watch.note(("read", name), _plain(self))
            return getattr(int, f"__{'r' if swapped else ''}{name}__")(self, other)
        pair = (_plain(other), _plain(self)) if swapped else (_plain(self), _plain(other))
        result = function(*pair)
        self._watch.note(("compute", name), *pair, result)
        return _Size.of(result, self._watch) if type(result) is int else result

    return method


def _compared(name: str) -> Callable[[Any, Any], Any]:
    function = COMPARISONS[name]

    def method(self: _Size, other: Any) -> Any:
        if not isinstance(other, (int, float)):
            return getattr(int, f"__{name}__")(self, other)
        left, right = _plain(self), _plain(other)
        answer = function(left, right)
        self._watch.note(("compare", name, answer), left, right)
        return answer

    return method


def _left_sight(name: str) -> Callable[..., Any]:
    """Whatever makes something else of a size."""

    def method(self: _Size, *args: Any) -> Any:
        self._watch.note(("read", name), _plain(self))
        return getattr(int, f"__{name}__")(_plain(self), *map(_plain, args))

    return method


for _name in ("add", "sub", "mul"):
    setattr(_Size, f"__{_name}__", _line_keeping(_name, False))
    setattr(_Size, f"__r{_name}__", _line_keeping(_name, True))
for _name in ARITHMETIC:
    setattr(_Size, f"__{_name}__", _noted(_name, False))
    setattr(_Size, f"__r{_name}__", _noted(_name, True))
for _name in COMPARISONS:
    setattr(_Size, f"__{_name}__", _compared(_name))
for _name in (
    "truediv", "rtruediv", "divmod", "rdivmod", "float", "int", "trunc", "floor", "ceil", "round", "invert", "abs",
    "neg", "pos", "bool", "hash", "str", "repr", "format",
):  # fmt: skip
    if hasattr(int, f"__{_name}__"):
        setattr(_Size, f"__{_name}__", _left_sight(_name))
