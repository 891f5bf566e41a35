"""Outputs of element-wise operators and reductions on meta, where PyTorch works them out in Python.

Each rule gives what the operator returns, or `NotImplemented` where the case is not one of the plain ones: then
PyTorch is asked. Plain: floating tensors of one dtype (or integers, where they stay what they are), each row-major or
a channels-last image. None of these operators needs memory beyond its outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from .layout import broadcast, is_dense, is_plain, is_row_major, new, ordered_like

aten = torch.ops.aten
Rule = Callable[..., Any]

FLOATING = frozenset({torch.float32, torch.float64, torch.bfloat16, torch.float16})
_SIGNED = FLOATING | {torch.int64, torch.int32}
_ANY = _SIGNED | {torch.int16, torch.int8, torch.uint8, torch.bool}


def _unary(self: torch.Tensor, *options: Any, **more: Any) -> Any:
    """As ``self``, whose values alone change."""
    if not is_plain(self) or self.dtype not in FLOATING:
        return NotImplemented
    return ordered_like(self)


def _in_place(self: torch.Tensor, *options: Any, **more: Any) -> Any:
    if not is_plain(self) or self.dtype not in FLOATING or not is_dense(self):
        return NotImplemented
    return self


def _pair(one: Any, other: Any, dtypes: frozenset[torch.dtype], dtype: torch.dtype | None = None) -> Any:
    """A new tensor of the size that a tensor and a tensor or number come to; of ``dtype``, or theirs."""
    if not isinstance(one, torch.Tensor) or not is_plain(one) or one.dtype not in dtypes:
        return NotImplemented
    if not isinstance(other, torch.Tensor):
        kind = type(other)
        stays = kind is int or (kind is float and (one.dtype in FLOATING or dtype is not None))
        return ordered_like(one, dtype) if stays and one.dtype is not torch.bool else NotImplemented
    if not is_plain(other) or other.dtype is not one.dtype:
        return NotImplemented
    size = one.shape
    if size == other.shape:
        if one.stride() != other.stride():
            return NotImplemented
        return ordered_like(one, dtype)
    if not is_row_major(one) or not is_row_major(other):
        return NotImplemented
    together = broadcast(size, other.shape)
    return NotImplemented if together is None else new(together, dtype or one.dtype)


def _arithmetic(self: Any, other: Any, alpha: Any = 1) -> Any:
    if type(alpha) is not int and self.dtype not in FLOATING:
        return NotImplemented
    return _pair(self, other, _SIGNED)


def _fractional(self: Any, other: Any) -> Any:
    """Division, powers: of integers they are something else."""
    return _pair(self, other, FLOATING)


def _comparison(self: Any, other: Any) -> Any:
    return _pair(self, other, _ANY, torch.bool)


def _arithmetic_in_place(self: torch.Tensor, other: Any, alpha: Any = 1) -> Any:
    if not is_plain(self) or self.dtype not in FLOATING or not is_dense(self):
        return NotImplemented
    if not isinstance(other, torch.Tensor):
        return self if type(other) in (int, float) else NotImplemented
    if not is_plain(other) or other.dtype is not self.dtype:
        return NotImplemented
    if self.shape == other.shape or broadcast(self.shape, other.shape) == self.shape:
        return self
    return NotImplemented


def _masked_fill(self: torch.Tensor, mask: torch.Tensor, value: Any) -> Any:
    if not is_plain(self) or not is_plain(mask) or self.dtype not in FLOATING or mask.dtype is not torch.bool:
        return NotImplemented
    if type(value) not in (int, float) or not is_row_major(self) or not is_row_major(mask):
        return NotImplemented
    together = broadcast(self.shape, mask.shape)
    return NotImplemented if together is None else new(together, self.dtype)


def _where(condition: torch.Tensor, self: torch.Tensor, other: torch.Tensor) -> Any:
    if not is_plain(condition) or condition.dtype is not torch.bool or not is_row_major(condition):
        return NotImplemented
    for tensor in (self, other):
        if not is_plain(tensor) or tensor.dtype is not self.dtype or not is_row_major(tensor):
            return NotImplemented
    together = broadcast(self.shape, other.shape)
    together = broadcast(together, condition.shape) if together is not None else None
    return NotImplemented if together is None else new(together, self.dtype)


def _reduction(self: torch.Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """``mean`` and ``sum`` over dimensions ``dim``, which are left out or kept as 1."""
    if not is_plain(self) or self.dtype not in FLOATING or not dim or not is_row_major(self):
        return NotImplemented
    rank = len(self.shape)
    gone = {d + rank if d < 0 else d for d in dim}
    if len(gone) != len(dim) or not all(0 <= d < rank for d in gone) or 0 in self.shape:
        return NotImplemented
    size = [1 if i in gone else n for i, n in enumerate(self.shape) if keepdim or i not in gone]
    return new(tuple(size), dtype or self.dtype) if dtype is None or dtype in FLOATING else NotImplemented


def _softmax(self: torch.Tensor, dim: int, option: Any = None) -> Any:
    """``softmax.int`` (option: a dtype) and ``_softmax`` (option: whether halves become floats)."""
    if not is_plain(self) or self.dtype not in FLOATING or (option is not None and option is not False):
        return NotImplemented
    if not -len(self.shape) <= dim < len(self.shape) or not is_row_major(self) or 0 in self.shape:
        return NotImplemented
    return new(self.shape, self.dtype)


def _softmax_backward(grad_output: torch.Tensor, output: torch.Tensor, dim: int, input_dtype: torch.dtype) -> Any:
    if input_dtype is not grad_output.dtype:
        return NotImplemented
    return _same_pair(grad_output, output)


def _same_pair(one: torch.Tensor, other: torch.Tensor, *options: Any, **more: Any) -> Any:
    """Two row-major tensors of one size give a third, as in the gradient of an element-wise function."""
    if not is_plain(one) or not is_plain(other) or one.shape != other.shape or not is_row_major(one):
        return NotImplemented
    return _pair(one, other, FLOATING)


def entries(rule: Rule, *names: str) -> Iterator[tuple[Any, Rule]]:
    """The operators of those names that this PyTorch has, each with its rule."""
    for name in names:
        packet, _, overload = name.partition(".")
        operator = getattr(getattr(aten, packet, None), overload or "default", None)
        if operator is not None:
            yield operator, rule


_FUNCTIONS = [
    "relu", "relu6", "gelu", "silu", "hardswish", "hardsigmoid", "hardtanh", "leaky_relu", "elu", "mish", "softplus",
    "selu", "celu", "sigmoid", "tanh", "exp", "log", "sqrt", "rsqrt", "sin", "cos", "neg", "abs", "erf", "log_sigmoid",
    "reciprocal", "square",
]  # fmt: skip
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_GRADIENTS = ("threshold", "gelu", "silu", "sigmoid", "tanh", "hardswish", "hardsigmoid", "hardtanh", "leaky_relu")
_OVERLOADS = ("Tensor", "Scalar")

POINTWISE: dict[Any, Rule] = dict(
    [
        *entries(_unary, *_FUNCTIONS),
        *entries(_in_place, *(f"{name}_" for name in _FUNCTIONS)),
        *entries(_arithmetic, "add.Tensor", "sub.Tensor", "mul.Tensor", "add.Scalar", "sub.Scalar", "mul.Scalar"),
        *entries(_fractional, "div.Tensor", "div.Scalar", "pow.Tensor_Scalar", "pow.Tensor_Tensor"),
        *entries(_comparison, *(f"{name}.{kind}" for name in _COMPARISONS for kind in _OVERLOADS)),
        *entries(_arithmetic_in_place, *(f"{n}_.{kind}" for n in ("add", "sub", "mul", "div") for kind in _OVERLOADS)),
        *entries(_masked_fill, "masked_fill.Scalar"),
        *entries(_where, "where.self"),
        *entries(_reduction, "mean.dim", "sum.dim_IntList"),
        *entries(_softmax, "softmax.int", "log_softmax.int", "_softmax", "_log_softmax"),
        *entries(_softmax_backward, "_softmax_backward_data", "_log_softmax_backward_data"),
        *entries(_same_pair, *(f"{name}_backward" for name in _GRADIENTS)),
    ]
)
"""Operator to rule."""
