"""The function mode that hands out sizes which record what the model's own code does with them.

Such a size is a whole number. Code that keeps one after the count keeps a whole number: it then records nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ...values.course import ARITHMETIC, COMPARISONS
from .course import CourseRecorder


class SizeMode(TorchFunctionMode):
    """Replaces the sizes that functions return. Other values that they return, and no tensors, are recorded."""

    def __init__(self, recorder: CourseRecorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __enter__(self) -> Any:
        """Begin to record what is done with sizes."""
        self._recorder.active = True
        return super().__enter__()

    def __exit__(self, *args: Any) -> None:
        """Let the sizes that were handed out record nothing more."""
        self._recorder.active = False
        super().__exit__(*args)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one function, and replace the sizes that it returns."""
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            return out
        if func is torch.Tensor.__len__:  # len() makes an ordinary number of what it gets
            self._recorder.note(("read", "len"), int(out))
            return out
        return self._recorded(out)

    def _recorded(self, out: Any) -> Any:
        if isinstance(out, torch.Size):
            return torch.Size([_Size.of(size, self._recorder) for size in out])
        if isinstance(out, (bool, float)):
            self._recorder.note(("read", "value"), out)
        elif isinstance(out, int):
            return _Size.of(out, self._recorder)
        elif type(out) is tuple:
            return tuple(self._recorded(item) for item in out)
        return out


class _Size(int):
    """A size that records every operation on it. Its methods are set below."""

    _recorder: CourseRecorder

    @classmethod
    def of(cls, value: int, recorder: CourseRecorder) -> _Size:
        """``value``, which ``recorder`` records."""
        size = cls.__new__(cls, value)
        size._recorder = recorder
        return size

    def __reduce__(self) -> Any:
        return int, (int.__int__(self),)

    def __copy__(self) -> int:
        return int.__int__(self)

    def __deepcopy__(self, memo: Any) -> int:
        return int.__int__(self)


_LINEAR: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
}
"""Sums and products of lines in the batch, which need no record: the size they give is recorded in its turn."""


def _number(value: Any) -> Any:
    """The ordinary number that a size is."""
    return int.__int__(value) if isinstance(value, _Size) else value


def _arithmetic(name: str, function: Callable[[Any, Any], Any], *, swapped: bool) -> Callable[[Any, Any], Any]:
    """The method for an operation of two whole numbers, recorded with both unless the result is a line anyway."""
    own = f"__{'r' if swapped else ''}{name}__"
    is_recorded = name in ARITHMETIC

    def method(self: _Size, other: Any) -> Any:
        if not isinstance(other, int):
            if isinstance(other, float):
                self._recorder.note(("read", name), _number(self))
            return getattr(int, own)(self, other)
        pair = (_number(other), _number(self)) if swapped else (_number(self), _number(other))
        result = function(*pair)
        if is_recorded:
            self._recorder.note(("compute", name), *pair, result)
        return _Size.of(result, self._recorder) if isinstance(result, int) else result

    return method


def _comparison(name: str) -> Callable[[Any, Any], Any]:
    """The method for a comparison, recorded with both sides and the answer."""
    function = COMPARISONS[name]

    def method(self: _Size, other: Any) -> Any:
        if not isinstance(other, (int, float)):
            return getattr(int, f"__{name}__")(self, other)
        left, right = _number(self), _number(other)
        answer = function(left, right)
        self._recorder.note(("compare", name, answer), left, right)
        return answer

    return method


def _conversion(name: str) -> Callable[..., Any]:
    """The method for whatever makes another value of a size, in which its operations are no longer recorded."""

    def method(self: _Size, *args: Any) -> Any:
        self._recorder.note(("read", name), _number(self))
        return getattr(int, f"__{name}__")(_number(self), *map(_number, args))

    return method


for _name, _function in {**_LINEAR, **ARITHMETIC}.items():
    setattr(_Size, f"__{_name}__", _arithmetic(_name, _function, swapped=False))
    setattr(_Size, f"__r{_name}__", _arithmetic(_name, _function, swapped=True))
for _name in COMPARISONS:
    setattr(_Size, f"__{_name}__", _comparison(_name))
for _name in (
    "truediv", "rtruediv", "divmod", "rdivmod", "float", "int", "trunc", "floor", "ceil", "round", "invert", "abs",
    "neg", "pos", "bool", "hash", "str", "repr", "format",
):  # fmt: skip
    if hasattr(int, f"__{_name}__"):
        setattr(_Size, f"__{_name}__", _conversion(_name))
