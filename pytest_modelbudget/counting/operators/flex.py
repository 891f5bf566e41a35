"""``flex_attention``: of a block mask, the blocks that are computed; without one, the whole score matrix."""

from __future__ import annotations

from typing import Any

import torch

from .count import Count, multiply_adds
from .lengths import values
from .registry import formula


@formula("higher_order::flex_attention")
def flex_attention_flop(
    query: Any, key: Any, value: Any, score_mod: Any, block_mask: Any, *rest: Any, out: Any, **kwargs: Any
) -> Count:  # fmt: skip
    """``(E + F)`` multiply-adds for each score of Q ``(B, H, L, E)``, K ``(B, H, S, E)``, V ``(B, H, S, F)``.

    A block of the mask is computed whole, or not at all. ``score_mod`` and ``mask_mod`` are element-wise, and free.
    """
    scores = _scores(query.shape[:3], value.shape[-2], block_mask)
    return multiply_adds(scores * (query.shape[-1] + value.shape[-1]), scores + out[0].numel())


@formula("higher_order::flex_attention_backward")
def flex_attention_backward_flop(
    query: Any, key: Any, value: Any, output: Any, sums: Any, grad: Any, grad_sums: Any, fw_graph: Any,
    joint_graph: Any, block_mask: Any, *rest: Any, out: Any, **kwargs: Any,
) -> Count:  # fmt: skip
    """Four products, as `attention_backward_flop` has it, of the same scores."""
    scores = _scores(query.shape[:3], value.shape[-2], block_mask)
    gradients = scores + query.numel() + key.numel() + value.numel()
    return multiply_adds(2 * scores * (query.shape[-1] + value.shape[-1]), gradients)


def _scores(size: Any, source: int, block_mask: Any) -> int:
    """How many scores of ``(B, H, L)`` queries and ``source`` keys are computed.

    ``block_mask`` is ``BlockMask.as_tuple()``: for each block of queries the number of blocks of keys and which they
    are, ``(b, h, rows)`` and ``(b, h, rows, columns)``, of blocks in part and of full ones, and at its end the sizes
    of a block and the function of the mask.
    """
    batch, heads, length = size
    height, width = block_mask[-3:-1]
    if height >= length and width >= source:  # one block, as without a mask
        return int(batch * heads * length * source)
    first = next(place for place, item in enumerate(block_mask) if isinstance(item, torch.Tensor))
    computed = 0
    for number, indices in (block_mask[first : first + 2], block_mask[first + 2 : first + 4]):
        if number is None:
            continue
        number, indices = values(number), values(indices)
        rows = _sides(length, height, number.shape[-1])
        listed = torch.arange(indices.shape[-1]) < number.unsqueeze(-1)
        columns = _sides(source, width, indices.shape[-1])[indices.long()]
        each = int(((columns * listed).sum(-1) * rows).sum())
        computed += each * (batch // number.shape[0]) * (heads // number.shape[1])
    return int(computed)


def _sides(length: int, block: int, blocks: int) -> torch.Tensor:
    """The sizes of ``blocks`` blocks along ``length``: of the last there may be less."""
    return (length - torch.arange(blocks) * block).clamp(0, block)
