"""Attention as one operator, as the kernel that PyTorch picks on a modern GPU keeps it in memory.

A fused kernel keeps its output and a number for each row (the log of the sum of exponentials), and computes the
scores again in backward. The choice is that of ``aten/src/ATen/native/transformers/cuda/sdp_utils.cpp`` with the
default order: flash, memory-efficient, then plain mathematics.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from . import checks
from .cache import META
from .layout import new

_HALF = (torch.float16, torch.bfloat16)
_FLASH_WIDTH = 256  # the widest head that flash attention takes
_FLASH_ALIGNED = 8  # it pads heads to a multiple of this
_MASK_ALIGNED = 16  # rows of a mask are padded to a multiple of this (preprocess_mask in attention.cpp)


@contextmanager
def attention_kernels(kept: str | None, *, real: bool) -> Iterator[None]:
    """Where attention is kept as mathematics, a real run picks no other kernel either."""
    if kept == "math" and real:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    else:
        yield


class _Call(NamedTuple):
    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    attn_mask: torch.Tensor | None = None
    dropout_p: float = 0.0
    is_causal: bool = False
    scale: float | None = None
    enable_gqa: bool = False


def _call(args: Any, kwargs: dict[str, Any]) -> _Call:
    return _Call(*args, **kwargs)


def has_fused_kernel(args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether a fused kernel takes this call. Double precision, odd shapes and few more are left to mathematics."""
    call = _call(args, kwargs)
    if not all(t.dim() == 4 and 0 not in t.shape for t in (call.query, call.key, call.value)):
        return False
    if not any(t.is_meta for t in (call.query, call.key, call.value)):
        return False
    return _takes_flash(call) or _takes_efficient(call)


def _takes_flash(call: _Call) -> bool:
    width = call.query.shape[-1]
    return (
        call.attn_mask is None
        and call.query.dtype in _HALF
        and call.key.shape[-1] == call.value.shape[-1] == width
        and width <= _FLASH_WIDTH
        and call.query.shape[0] == call.key.shape[0]
        and (call.enable_gqa or call.query.shape[1] == call.key.shape[1])
    )


def _takes_efficient(call: _Call) -> bool:
    query, key, value = call.query, call.key, call.value
    if (
        query.dtype not in (*_HALF, torch.float32)
        or query.shape[:2] != key.shape[:2]
        or key.shape[:2] != value.shape[:2]
    ):
        return False
    aligned = 8 if query.dtype in _HALF else 4
    return query.shape[-1] % aligned == 0 and value.shape[-1] % aligned == 0


def fused_attention(*args: Any, **kwargs: Any) -> torch.Tensor:
    """``softmax(Q Kᵀ) V`` over ``(B, H, L, E)`` by the operator of the fused kernel, which autograd knows."""
    call = _call(args, kwargs)
    checks.attention(*call[:4])
    return _flash(call) if _takes_flash(call) else _efficient(call)


def _flash(call: _Call) -> torch.Tensor:
    width = call.query.shape[-1]
    pad = -width % _FLASH_ALIGNED
    scale = call.scale if call.scale is not None or not pad else width**-0.5
    query, key, value = (F.pad(t, (0, pad)) if pad else t for t in call[:3])
    out: torch.Tensor = torch.ops.aten._scaled_dot_product_flash_attention(
        query, key, value, call.dropout_p, call.is_causal, scale=scale
    )[0]
    return out[..., :width] if pad else out


def _efficient(call: _Call) -> torch.Tensor:
    keeps_rows = torch.is_grad_enabled() and any(t.requires_grad for t in call[:3])
    mask = call.attn_mask
    if mask is not None:
        mask = _bias(mask, call.query, call.key)
    out: torch.Tensor = torch.ops.aten._scaled_dot_product_efficient_attention(
        call.query, call.key, call.value, mask, keeps_rows, call.dropout_p, call.is_causal, scale=call.scale
    )[0]
    return out


def _bias(mask: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """A mask as the kernel wants it: numbers to add, rows aligned, expanded to ``(B, H, L, S)``."""
    source = key.shape[-2]
    if mask.dtype == torch.bool:
        mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill_(mask.logical_not(), float("-inf"))
    if mask.shape[-1] == source and source % _MASK_ALIGNED:
        mask = F.pad(mask, (0, -source % _MASK_ALIGNED))[..., :source]
    return mask.expand(query.shape[0], query.shape[1], query.shape[2], source)


def flex_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, score_mod: Any, block_mask: Any, scale: float,
    kernel_options: Any, *buffers: Any,
) -> Any:  # fmt: skip
    """What ``flex_attention`` returns: the output, and of each row the log of the sum of exponentials and the maximum.

    The last two as far as the kernel is asked to write them.
    """
    if not query.is_meta:
        return NotImplemented
    rows = query.shape[:-1]
    out = _in_order(query, (*rows, value.shape[-1]))
    dtype = torch.float64 if query.dtype is torch.float64 else torch.float32
    asked = (kernel_options.get("OUTPUT_LOGSUMEXP", True), kernel_options.get("OUTPUT_MAX", True))
    return (out, *(new(tuple(rows) if ask else (0,), dtype) for ask in asked))


def flex_attention_backward(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *rest: Any) -> Any:
    """The gradients of Q, K and V, and of none of what ``score_mod`` holds."""
    if not query.is_meta:
        return NotImplemented
    return (*(_in_order(tensor, tensor.shape) for tensor in (query, key, value)), ())


def _in_order(like: torch.Tensor, size: Any) -> torch.Tensor:
    """A new tensor with the dimensions in the order that those of ``like`` have in memory, the last one innermost."""
    outer = sorted(range(like.dim() - 1), key=like.stride().__getitem__)
    strides, step = [1] * like.dim(), int(size[-1])
    for place in outer:
        strides[place] = step
        step *= size[place]
    return torch.empty_strided(tuple(size), strides, dtype=like.dtype, device=META)
