"""Tensor subclasses that are made while operators are dispatched to a mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def constructed_by_parts() -> Iterator[None]:
    """Construct a subclass (``CausalBias(...)``) as a tensor that is made one.

    PyTorch's constructor fails under a dispatch mode: the tensor that a mode returns has its Python object already. The
    subclasses are those that exist, and have no constructor of their own.
    """
    kinds = [kind for kind in _subclasses(torch.Tensor) if kind.__new__ is _CONSTRUCT]
    for kind in kinds:
        kind.__new__ = _of_parts
    try:
        yield
    finally:
        for kind in kinds:
            if vars(kind).get("__new__") is not None:
                del kind.__new__


_CONSTRUCT: Any = torch.Tensor.__new__


def _of_parts(cls: Any, *args: Any, **kwargs: Any) -> Any:
    return torch.Tensor._make_subclass(cls, torch.Tensor(*args, **kwargs))


def _subclasses(kind: Any) -> Iterator[Any]:
    for below in kind.__subclasses__():
        yield below
        yield from _subclasses(below)
