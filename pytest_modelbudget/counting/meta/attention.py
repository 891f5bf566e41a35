"""Attention as one operator, with the memory of the kernel that PyTorch chooses on a recent GPU.

A fused kernel keeps its output and, for each row, the logarithm of the sum of exponentials; it computes the scores
again in backward. The choice is that of ``aten/src/ATen/native/transformers/cuda/sdp_utils.cpp`` with the default
order: flash, memory-efficient, then the unfused mathematics.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from . import checks
from .flex import flex_attention_as_operator

_HALF = (torch.float16, torch.bfloat16)
_FLASH_WIDTH = 256  # the widest head that flash attention takes
_FLASH_ALIGNMENT = 8  # it pads heads to a multiple of this
_MASK_ALIGNMENT = 16  # rows of a mask are padded to a multiple of this (preprocess_mask in attention.cpp)


@contextmanager
def attention_kernels(attention: str | None, *, real: bool) -> Iterator[None]:
    """Run what is inside with the kernels that ``attention`` asks for: a real run of ``"math"`` fuses nothing.

    ``flex_attention`` runs as one operator, whatever is asked for.
    """
    unfused = sdpa_kernel(SDPBackend.MATH) if attention == "math" and real else nullcontext()
    with flex_attention_as_operator(real=real), unfused:
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
    """Whether a fused kernel takes this call. None takes double precision, or sizes that are not aligned."""
    call = _call(args, kwargs)
    if not all(t.dim() == 4 and 0 not in t.shape for t in (call.query, call.key, call.value)):
        return False
    if not any(t.is_meta for t in (call.query, call.key, call.value)):
        return False
    return _flash_takes(call) or _efficient_takes(call)


def _flash_takes(call: _Call) -> bool:
    width = call.query.shape[-1]
    return (
        call.attn_mask is None
        and call.query.dtype in _HALF
        and call.key.shape[-1] == call.value.shape[-1] == width
        and width <= _FLASH_WIDTH
        and call.query.shape[0] == call.key.shape[0]
        and (call.enable_gqa or call.query.shape[1] == call.key.shape[1])
    )


def _efficient_takes(call: _Call) -> bool:
    query, key, value = call.query, call.key, call.value
    if (
        query.dtype not in (*_HALF, torch.float32)
        or query.shape[:2] != key.shape[:2]
        or key.shape[:2] != value.shape[:2]
    ):
        return False
    alignment = 8 if query.dtype in _HALF else 4
    return query.shape[-1] % alignment == 0 and value.shape[-1] % alignment == 0


def fused_attention(*args: Any, **kwargs: Any) -> torch.Tensor:
    """``softmax(Q Kᵀ) V`` over ``(B, H, L, E)`` by the operator of the fused kernel, which autograd differentiates."""
    call = _call(args, kwargs)
    checks.attention(*call[:4])
    return _flash(call) if _flash_takes(call) else _efficient(call)


def _flash(call: _Call) -> torch.Tensor:
    width = call.query.shape[-1]
    pad = -width % _FLASH_ALIGNMENT
    scale = call.scale if call.scale is not None or not pad else width**-0.5
    query, key, value = (F.pad(t, (0, pad)) if pad else t for t in call[:3])
    out: torch.Tensor = torch.ops.aten._scaled_dot_product_flash_attention(
        query, key, value, call.dropout_p, call.is_causal, scale=scale
    )[0]
    return out[..., :width] if pad else out


def _efficient(call: _Call) -> torch.Tensor:
    keeps_logsumexp = torch.is_grad_enabled() and any(t.requires_grad for t in call[:3])
    mask = call.attn_mask
    if mask is not None:
        mask = _bias(mask, call.query, call.key)
    out: torch.Tensor = torch.ops.aten._scaled_dot_product_efficient_attention(
        call.query, call.key, call.value, mask, keeps_logsumexp, call.dropout_p, call.is_causal, scale=call.scale
    )[0]
    return out


def _bias(mask: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """A mask in the form that the kernel takes: numbers to add, rows aligned, expanded to ``(B, H, L, S)``."""
    source = key.shape[-2]
    if mask.dtype == torch.bool:
        mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill_(mask.logical_not(), float("-inf"))
    if mask.shape[-1] == source and source % _MASK_ALIGNMENT:
        mask = F.pad(mask, (0, -source % _MASK_ALIGNMENT))[..., :source]
    return mask.expand(query.shape[0], query.shape[1], query.shape[2], source)
