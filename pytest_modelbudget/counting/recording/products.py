"""The matrix products that an operator call is made of: what the speed of its kernel depends on, beside its FLOPs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from ...values.work import Products

_ATTENTION = "scaled_dot_product"


def products_of(name: str, given: Mapping[str, Any], out: Any) -> Products | None:
    """The products of one call by its arguments; ``None`` for an operator that is not made of them."""
    result = out[0] if isinstance(out, (tuple, list)) and out else out
    if "conv" in name:
        return _convolution(name, given, result)
    if _ATTENTION in name or "flash_attention" in name or "efficient_attention" in name:
        return _attention(given)
    tensors = [value for value in given.values() if isinstance(value, torch.Tensor) and value.dim() >= 1]
    if name in _MATRICES and len(tensors) >= 2:
        return _matrices(name, tensors)
    return None


_MATRICES = frozenset(
    ("mm", "bmm", "addmm", "addmm_", "baddbmm", "baddbmm_", "addbmm", "matmul", "linear", "addmv", "mv")
)


def _matrices(name: str, tensors: list[torch.Tensor]) -> Products | None:
    """``linear`` has its weight transposed; operators that add have what they add to first."""
    if name.startswith(("add", "badd", "_add")):
        tensors = tensors[1:]
    if len(tensors) < 2:
        return None
    left, right = tensors[:2]
    if name == "linear":
        columns, depth = (right.shape[0] if right.dim() > 1 else 1), left.shape[-1]
        return Products(1, left.numel() // max(1, depth), columns, depth)
    depth, columns = left.shape[-1], (right.shape[-1] if right.dim() > 1 else 1)
    rows = left.shape[-2] if left.dim() > 1 else 1
    if right.dim() > 2:
        return Products(max(math.prod(left.shape[:-2]), math.prod(right.shape[:-2])), rows, columns, depth)
    return Products(1, left.numel() // max(1, depth), columns, depth)


def _convolution(name: str, given: Mapping[str, Any], result: Any) -> Products | None:
    weight, input = given.get("weight"), given.get("input", given.get("self"))
    if not isinstance(weight, torch.Tensor) or not isinstance(input, torch.Tensor) or weight.dim() < 3:
        return None
    backward = "backward" in name
    output = given.get("grad_output") if backward else result
    if not isinstance(output, torch.Tensor):
        return None
    transposed = bool(given.get("transposed")) or "transpose" in name
    groups = int(given.get("groups", 1) or 1)
    taps = math.prod(weight.shape[2:])
    at = input if transposed else output
    rows = at.numel() // max(1, at.shape[1] if at.dim() == weight.dim() else at.shape[0])
    bias = bool(given.get("output_mask", (0, 0, 0))[2]) if backward else isinstance(given.get("bias"), torch.Tensor)
    return Products(groups, rows, weight.shape[0] // groups, math.prod(weight.shape[1:]), taps, bias)


def _attention(given: Mapping[str, Any]) -> Products | None:
    query, key = given.get("query"), given.get("key")
    if not isinstance(query, torch.Tensor) or not isinstance(key, torch.Tensor) or query.dim() < 3 or query.is_nested:
        return None
    return Products(math.prod(query.shape[:-2]), query.shape[-2], key.shape[-2], query.shape[-1])
