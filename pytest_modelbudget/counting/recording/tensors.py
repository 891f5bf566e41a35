"""The tensors in a value, and the dense tensors and storages that hold a tensor of any layout."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from ..pytorch.private import DisableTorchFunction, is_traceable_wrapper_subclass
from .attributes import attributes_of


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """The tensors in a value, however nested; of a dataclass or another plain object, those of its attributes.

    Each container and object is looked into once.
    """
    yield from _tensors_in(value, set())


_WITHOUT = (type, ModuleType, FunctionType, str, bytes, int, float, torch.nn.Module)
"""Kinds of values that are not looked into."""


def _tensors_in(value: Any, seen: set[int]) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
        return
    if isinstance(value, _WITHOUT) or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Mapping):
        parts: Iterable[Any] = value.values()
    elif isinstance(value, (list, tuple, set, frozenset, deque)):
        parts = value
    else:
        parts = attributes_of(value).values()
    for part in parts:
        yield from _tensors_in(part, seen)


_STRIDED = torch.strided

PLAIN = frozenset({torch.Tensor, torch.nn.Parameter})
"""The types of tensors that are neither lazy nor a subclass that stores other tensors."""


def elements_in(values: Iterable[Any]) -> int:
    """The elements of the tensors among some values, and in lists and tuples among them, however often they are there.

    A list that holds itself counts once.
    """
    return _elements_in(values, ())


def _elements_in(values: Iterable[Any], around: tuple[int, ...]) -> int:
    total = 0
    for value in values:
        if isinstance(value, torch.Tensor):
            with DisableTorchFunction():  # a mode that follows sizes need not see this one
                total += 0 if is_lazy(value) else value.numel()
        elif isinstance(value, (list, tuple)) and id(value) not in around:
            total += _elements_in(value, (*around, id(value)))
    return total


def dense_parts(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The dense tensors that hold a tensor: the indices and values of a sparse one, those that a subclass wraps.

    There are none of an opaque layout.
    """
    if type(tensor) not in PLAIN and is_traceable_wrapper_subclass(tensor):
        names, _ = tensor.__tensor_flatten__()
        stored = (getattr(tensor, name) for name in names)  # a DTensor also names its mesh
        return tuple(part for tensor in stored if isinstance(tensor, torch.Tensor) for part in dense_parts(tensor))
    if tensor.layout is torch.strided:
        return (tensor,)
    if tensor.layout is torch.sparse_coo:
        return (tensor._indices(), tensor._values())
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return (tensor.crow_indices(), tensor.col_indices(), tensor.values())
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return (tensor.ccol_indices(), tensor.row_indices(), tensor.values())
    return ()  # oneDNN's own layout gives access to no storage


def storages_of(tensor: torch.Tensor) -> tuple[Any, ...]:
    """The untyped storages that hold a tensor."""
    if type(tensor) in PLAIN and tensor.layout is _STRIDED:
        return (tensor.untyped_storage(),)
    return tuple(part.untyped_storage() for part in dense_parts(tensor))


def stored_bytes(tensor: torch.Tensor) -> list[tuple[int, int]]:
    """The address and the bytes of each storage that holds a tensor; of a sparse one, of its values and indices."""
    if type(tensor) in PLAIN and tensor.layout is _STRIDED:
        storage = tensor.untyped_storage()
        return [(storage._cdata, storage.nbytes())]
    if tensor.layout is torch.strided:
        return [(storage._cdata, storage.nbytes()) for storage in storages_of(tensor)]
    sizes = [(part.untyped_storage()._cdata, part.nbytes) for part in dense_parts(tensor)]
    return sizes or [(id(tensor), tensor.numel() * tensor.element_size())]


def shares_storage(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether one storage holds parts of both tensors. A lazy one has none yet."""
    if is_lazy(one) or is_lazy(other):
        return False
    return not {s._cdata for s in storages_of(one)}.isdisjoint(s._cdata for s in storages_of(other))
