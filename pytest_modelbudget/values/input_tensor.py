"""A tensor that a model takes, described and not made: ``tensor("batch", "seq", dtype="int64", high=1000)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from .kinds import InputDtype


@dataclass(frozen=True)
class InputTensor:
    """The size and dtype of an input that is made when a model is measured.

    ``sizes`` are numbers and names of dimensions. ``dtype`` is PyTorch's name, or ``None`` for the dtype of float
    inputs. Where data is needed, floats are seeded noise, and integers are zeros, or seeded numbers below ``high``.
    """

    sizes: tuple[int | str, ...]
    dtype: str | None = None
    high: int | None = None

    def __repr__(self) -> str:
        """As people write it."""
        given = {"dtype": self.dtype, "high": self.high}
        words = [repr(size) for size in self.sizes]
        words += [f"{name}={value!r}" for name, value in given.items() if value is not None]
        return f"tensor({', '.join(words)})"


def tensor(*sizes: int | str, dtype: Any = None, high: int | None = None) -> InputTensor:
    """An input of a model, for use anywhere in ``inputs=``: ``{"ids": tensor("batch", "seq", dtype="int64")}``.

    ``sizes`` are whole numbers and names of dimensions of the operating point; none of them is a single number.
    ``dtype`` is a short name, PyTorch's own, or a ``torch.dtype``; without it the input is a float one, in the dtype
    that the model is measured in. ``high`` bounds the seeded integers that a model gets which reads their values.

    A tensor that is given twice is one input: ``q = tensor("batch", "seq", 512)`` and ``inputs=(q, q, q)``.

    Raises `UsageError` for sizes, a dtype or a bound that cannot be meant.
    """
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, (int, str)) or (isinstance(size, int) and size < 0):
            hint = f" Write tensor({', '.join(map(repr, size))})." if isinstance(size, (tuple, list)) and size else ""
            raise UsageError(
                f"tensor(): {size!r} is not a size. Allowed: whole numbers from zero, and names of dimensions such as "
                f"'batch'.{hint}"
            )
    name = None if dtype is None else InputDtype().parse("dtype", dtype)
    if high is not None:
        _check_high(high, name)
    return InputTensor(sizes, name, high)


_HIGHEST = {"uint8": 1 << 8, "int8": 1 << 7, "int16": 1 << 15, "int32": 1 << 31, "int64": (1 << 63) - 1}
"""What ``high=`` may be at most. It is not itself among the numbers."""


def _check_high(high: Any, dtype: str | None) -> None:
    if isinstance(high, bool) or not isinstance(high, int) or high < 1:
        raise UsageError(f"tensor(): high={high!r} is not a whole number above zero.")
    if dtype not in _HIGHEST:
        found = "no dtype is given" if dtype is None else f"dtype is {dtype!r}"
        raise UsageError(f"tensor(): high={high} bounds integers, and {found}. Allowed: {', '.join(_HIGHEST)}.")
    if high > _HIGHEST[dtype]:
        raise UsageError(f"tensor(): high={high} is too large for {dtype}. Allowed: up to {_HIGHEST[dtype]}.")
