"""The work of a step: equal calls of one operator, and what each of them computes and moves on whatever device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .fits import Way


@dataclass(frozen=True)
class Products:
    """The matrix products that a call is made of: ``groups`` times (``rows``, ``depth``) by (``depth``, ``columns``).

    A convolution has the positions of its output as rows, its output channels as columns, and the elements of a filter,
    of which ``taps`` are positions, as depth. Its gradients have the shape of the forward pass. Attention has queries,
    keys and the size of a head. ``bias``: one is added to a convolution, which is a kernel of its own.
    """

    groups: int
    rows: int
    columns: int
    depth: int
    taps: int = 0
    bias: bool = False


@dataclass(frozen=True)
class Work:
    """Equal calls of one operator in one module: what each computes and moves, on whatever device.

    ``flops`` are two for a multiply-add, and none for what only moves data or is element-wise; ``bytes`` are tensors
    read and written; ``dtype`` is what it computes in (``tf32``: float32 that PyTorch lets tensor cores round);
    ``launches`` are kernels that must follow one another in each call. ``shape`` is that of the products it is made
    of, if it is; ``reorders``: it reads a tensor in another order in memory than it writes. ``loops`` are the steps of
    a loop that each thread of a GPU's kernel takes one after another.
    """

    module: str
    operator: str
    dtype: str
    flops: int
    bytes: int
    launches: int
    calls: int
    shape: Products | None = None
    reorders: bool = False
    loops: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**vars(self), "shape": dict(vars(self.shape)) if self.shape is not None else None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Work:
        """The inverse of `to_dict`."""
        return cls(**{**data, "shape": Products(**data["shape"]) if data["shape"] is not None else None})


@dataclass(frozen=True)
class Measurement:
    """One model that ran at one batch: the seconds predicted by a fit that saw none of it, and those measured."""

    model: str
    batch: int
    way: Way
    predicted: float
    measured: float
