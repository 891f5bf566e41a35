"""Outputs of element-wise operators, and of the gradients of element-wise functions. None of them has temporaries.

PyTorch works them out in Python. The rules are for tensors of one dtype, each row-major or a channels-last image; for
any other call they return ``NotImplemented``.
"""

from __future__ import annotations

from typing import Any

import torch

from ..layout import (
    broadcast_shapes,
    empty,
    empty_elementwise,
    has_memory_format,
    is_row_major,
    is_strided_meta,
)
from .registry import FLOATING, output_rule

_SIGNED = FLOATING | {torch.int64, torch.int32}
_ANY = _SIGNED | {torch.int16, torch.int8, torch.uint8, torch.bool}

_FUNCTIONS = [
    "relu", "relu6", "gelu", "silu", "hardswish", "hardsigmoid", "hardtanh", "leaky_relu", "elu", "mish", "softplus",
    "selu", "celu", "sigmoid", "tanh", "exp", "log", "sqrt", "rsqrt", "sin", "cos", "neg", "abs", "erf", "log_sigmoid",
    "reciprocal", "square",
]  # fmt: skip
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_GRADIENTS = (
    "threshold", "gelu", "silu", "mish", "sigmoid", "tanh", "hardswish", "hardsigmoid", "hardtanh", "leaky_relu",
)  # fmt: skip
_OVERLOADS = ("Tensor", "Scalar")


@output_rule(*_FUNCTIONS)
def _unary(self: torch.Tensor, *options: Any, **more: Any) -> Any:
    if not is_strided_meta(self) or self.dtype not in FLOATING:
        return NotImplemented
    return empty_elementwise(self)


@output_rule(*(f"{name}_" for name in _FUNCTIONS))
def _unary_in_place(self: torch.Tensor, *options: Any, **more: Any) -> Any:
    if not is_strided_meta(self) or self.dtype not in FLOATING or not has_memory_format(self):
        return NotImplemented
    return self


def _binary(one: Any, other: Any, dtypes: frozenset[torch.dtype], dtype: torch.dtype | None = None) -> Any:
    """The result of a tensor and a tensor or number, of ``dtype`` or of the dtype of both, one of ``dtypes``."""
    if not isinstance(one, torch.Tensor) or not is_strided_meta(one) or one.dtype not in dtypes:
        return NotImplemented
    if not isinstance(other, torch.Tensor):
        kind = type(other)
        keeps_dtype = kind is int or (kind is float and (one.dtype in FLOATING or dtype is not None))
        return empty_elementwise(one, dtype) if keeps_dtype and one.dtype is not torch.bool else NotImplemented
    if not is_strided_meta(other) or other.dtype is not one.dtype:
        return NotImplemented
    size = one.shape
    if size == other.shape:
        if one.stride() != other.stride():
            return NotImplemented
        return empty_elementwise(one, dtype)
    if not is_row_major(one) or not is_row_major(other):
        return NotImplemented
    together = broadcast_shapes(size, other.shape)
    return NotImplemented if together is None else empty(together, dtype or one.dtype)


@output_rule("add.Tensor", "sub.Tensor", "mul.Tensor", "add.Scalar", "sub.Scalar", "mul.Scalar")
def _arithmetic(self: Any, other: Any, alpha: Any = 1) -> Any:
    if type(alpha) is not int and self.dtype not in FLOATING:
        return NotImplemented
    return _binary(self, other, _SIGNED)


@output_rule("div.Tensor", "div.Scalar", "pow.Tensor_Scalar", "pow.Tensor_Tensor")
def _fractional(self: Any, other: Any) -> Any:
    """Division and powers, whose result has another dtype where the arguments are integers."""
    return _binary(self, other, FLOATING)


@output_rule(*(f"{name}.{overload}" for name in _COMPARISONS for overload in _OVERLOADS))
def _comparison(self: Any, other: Any) -> Any:
    return _binary(self, other, _ANY, torch.bool)


@output_rule(*(f"{name}_.{overload}" for name in ("add", "sub", "mul", "div") for overload in _OVERLOADS))
def _arithmetic_in_place(self: torch.Tensor, other: Any, alpha: Any = 1) -> Any:
    if not is_strided_meta(self) or self.dtype not in FLOATING or not has_memory_format(self):
        return NotImplemented
    if not isinstance(other, torch.Tensor):
        return self if type(other) in (int, float) else NotImplemented
    if not is_strided_meta(other) or other.dtype is not self.dtype:
        return NotImplemented
    if self.shape == other.shape or broadcast_shapes(self.shape, other.shape) == self.shape:
        return self
    return NotImplemented


@output_rule("masked_fill.Scalar")
def _masked_fill(self: torch.Tensor, mask: torch.Tensor, value: Any) -> Any:
    if not is_strided_meta(self) or not is_strided_meta(mask):
        return NotImplemented
    if self.dtype not in FLOATING or mask.dtype is not torch.bool:
        return NotImplemented
    if type(value) not in (int, float) or not is_row_major(self) or not is_row_major(mask):
        return NotImplemented
    together = broadcast_shapes(self.shape, mask.shape)
    return NotImplemented if together is None else empty(together, self.dtype)


@output_rule("where.self")
def _where(condition: torch.Tensor, self: torch.Tensor, other: torch.Tensor) -> Any:
    if not is_strided_meta(condition) or condition.dtype is not torch.bool or not is_row_major(condition):
        return NotImplemented
    for tensor in (self, other):
        if not is_strided_meta(tensor) or tensor.dtype is not self.dtype or not is_row_major(tensor):
            return NotImplemented
    together = broadcast_shapes(self.shape, other.shape)
    together = broadcast_shapes(together, condition.shape) if together is not None else None
    return NotImplemented if together is None else empty(together, self.dtype)


@output_rule(*(f"{name}_backward" for name in _GRADIENTS))
def elementwise_gradient(grad_output: torch.Tensor, self: torch.Tensor, *options: Any, **more: Any) -> Any:
    """The gradient of an element-wise function, from two row-major tensors of one size."""
    if not is_strided_meta(grad_output) or not is_strided_meta(self):
        return NotImplemented
    if grad_output.shape != self.shape or not is_row_major(grad_output):
        return NotImplemented
    return _binary(grad_output, self, FLOATING)
