"""The tensors in a value, and the dense tensors and storages that hold a tensor of any layout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """The tensors in a value, however nested; of a dataclass or another plain object, those of its attributes."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _all(value.values())
    elif isinstance(value, (list, tuple, set)):
        yield from _all(value)
    elif hasattr(value, "__dict__") and not isinstance(value, (type, torch.nn.Module)):
        yield from _all(vars(value).values())


def _all(values: Iterable[Any]) -> Iterator[torch.Tensor]:
    for value in values:
        yield from tensors_in(value)


def dense_parts(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The dense tensors that hold a tensor: the indices and values of a sparse one, none of an opaque layout."""
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
    if tensor.layout is torch.strided:
        return (tensor.untyped_storage(),)
    return tuple(part.untyped_storage() for part in dense_parts(tensor))


def bytes_of(tensor: torch.Tensor) -> int:
    """The bytes of a tensor: those of the values and indices that a sparse one stores."""
    if tensor.layout is torch.strided:
        return tensor.nbytes
    return sum(part.nbytes for part in dense_parts(tensor)) or tensor.numel() * tensor.element_size()
