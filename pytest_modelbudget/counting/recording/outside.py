"""Work outside PyTorch: values that a model hands to NumPy or Python lists, and what comes back of them.

Code that only prints or checks values takes them and brings nothing back. Where arrays come back after values left, or
are what the model returns, something was computed that no operator shows: that is reported, as an operator without a
formula is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import dlpack

from ..meta.constants import MADE_OF_VALUES
from ..pytorch.private import RUN_BACKWARD
from ..pytorch.replaced import replaced
from .counting_mode import CountingMode

_TENSOR = torch.Tensor
_LEAVE_BY: dict[Any, str] = {
    _TENSOR.numpy: "Tensor.numpy()",
    _TENSOR.__array__: "Tensor.__array__()",
    _TENSOR.__dlpack__: "Tensor.__dlpack__()",
    _TENSOR.tolist: "Tensor.tolist()",
}
_MAY_BE_NUMBERS = frozenset({torch.bool, torch.int32, torch.int64})
"""The dtypes of sizes, indices and masks, which a model may read to decide what it runs."""

_ROOM = str(Path(__file__).parents[1])
_LIBRARIES = tuple(str(Path(torch.__file__).parents[1] / name) + os.sep for name in ("torch", "numpy"))
_SITE_PACKAGES = str(Path(torch.__file__).parents[1])


class OutsideMode(TorchFunctionMode):
    """Notes values that leave PyTorch, and reports them to a count once something comes back.

    One number does not leave: it is read, as by ``item()``. Nor do whole numbers of 32 and 64 bits and masks.
    """

    def __init__(self, mode: CountingMode) -> None:
        super().__init__()
        self._mode = mode
        self._left: dict[tuple[str, str], int] = {}  # how and where, and in which module: how often
        self._lists = False
        self._seen = False  # what makes a tensor of values now was looked at

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one function, and note what it hands out or takes in."""
        kwargs = kwargs or {}
        how = _LEAVE_BY.get(func)
        if how is not None:
            if not self._mode.is_paused and _has_values(args[0]):
                self._leave(how)
        elif self._left and self._comes_back(func, (*args, *kwargs.values())):
            self.report()
        before, self._seen = self._seen, func in MADE_OF_VALUES
        try:
            return func(*args, **kwargs)
        finally:
            self._seen = before

    def _leave(self, how: str) -> None:
        key = (f"values that left PyTorch by {how} at {_place()}", self._mode.modules.innermost())
        self._left[key] = self._left.get(key, 0) + 1
        self._lists |= how.startswith("Tensor.tolist")

    def _comes_back(self, func: Any, values: tuple[Any, ...]) -> bool:
        """Whether one of the values that a function gets was made outside PyTorch."""
        if func in MADE_OF_VALUES:
            return any(_is_array(value) or self._is_list_of_values(value) for value in values)
        return any(_is_array(value) for value in _flat(values))

    def _is_list_of_values(self, value: Any) -> bool:
        """Whether a list has floats that may come of values that left: of an array, or of a list of them."""
        while isinstance(value, (list, tuple)) and value:
            value = value[0]
        return _is_array(value) or _is_array_scalar(value) or (self._lists and isinstance(value, float))

    def _arrived(self, tensor: torch.Tensor) -> None:
        """Look at a tensor that was made of values. Constructors such as ``torch.FloatTensor`` are seen here only."""
        if self._left and not self._seen and tensor.is_floating_point() and tensor.numel() > 1:
            self.report()

    def report(self) -> None:
        """Report what left until now: something of it came back."""
        for (name, module), calls in self._left.items():
            for _ in range(calls):
                self._mode.tallies.report(name, module)
        self._left.clear()

    def returned(self, out: Any) -> None:
        """Look at what the model returns. An array there came of the values that left."""
        if self._left and any(_is_array(value) for value in _flat((out,), depth=4)):
            self.report()

    def notes(self) -> tuple[str, ...]:
        """What a cost says of values that left and did not come back."""
        return tuple(
            f"{name[0].upper()}{name[1:]} did not come back: what was done with them is not counted."
            for name, _ in list(self._left)[:3]
        )

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch what runs inside, and what makes tensors of memory, which no function mode sees."""

        def arriving(function: Callable[..., Any]) -> Callable[..., Any]:
            def arrive(*args: Any, **kwargs: Any) -> Any:
                if self._left and self._mode.modules.is_counted():
                    self.report()
                return function(*args, **kwargs)

            return arrive

        def running(*args: Any, **kwargs: Any) -> Any:
            with self:  # PyTorch left the function modes for this call
                return run_backward(*args, **kwargs)

        run_backward = RUN_BACKWARD.value
        with ExitStack() as stack:
            stack.enter_context(replaced(*RUN_BACKWARD, running))
            for owner, name in (
                (torch, "from_numpy"),
                (torch, "frombuffer"),
                (torch, "from_dlpack"),
                (dlpack, "from_dlpack"),
            ):
                stack.enter_context(replaced(owner, name, arriving(getattr(owner, name))))
            stack.enter_context(self)
            stack.enter_context(replaced(self._mode, "arrived", self._arrived))
            yield


def _has_values(tensor: torch.Tensor) -> bool:
    """Whether the values of a tensor are more than one number, of a dtype that is computed with."""
    return not tensor.is_meta and tensor.numel() > 1 and tensor.dtype not in _MAY_BE_NUMBERS


def _is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _is_array_scalar(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.inexact)


def _flat(values: Any, depth: int = 2) -> Iterator[Any]:
    for value in values:
        if depth and isinstance(value, (list, tuple)):
            yield from _flat(value, depth - 1)
        elif depth and isinstance(value, dict):
            yield from _flat(value.values(), depth - 1)
        else:
            yield value


def _place() -> str:
    """The file and line where the code of a model, or of the library it calls, hands values out."""
    found = None
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_ROOM):
            if found is not None and file.endswith("counted_run.py"):
                break
        elif not file.startswith((*_LIBRARIES, "<")):
            if found is None or not file.startswith(_SITE_PACKAGES):
                found = (file, frame.f_lineno)
            if not file.startswith(_SITE_PACKAGES):
                break
        frame = frame.f_back  # type: ignore[assignment]
    if found is None:
        return "an unknown place"
    path, line = found
    return f"{os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else path}:{line}"
