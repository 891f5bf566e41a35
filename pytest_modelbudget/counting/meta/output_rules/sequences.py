"""Outputs of the loss over sequences (CTC), whose sizes depend on lengths that have data beside tensors without."""

from __future__ import annotations

from typing import Any

import torch

from ..layout import empty, is_strided_meta, meta_like
from .registry import output_rule


def _with_lengths(operator: Any, log_probs: Any, targets: Any, lengths: tuple[Any, ...], options: Any) -> Any:
    """What the overload returns that takes lengths as numbers, which the meta device runs."""
    if not is_strided_meta(log_probs) or any(length.is_meta for length in lengths):
        return NotImplemented
    return operator(log_probs, meta_like(targets), *[length.tolist() for length in lengths], *options)


@output_rule("ctc_loss.Tensor")
def _loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: int = 1,
    zero_infinity: bool = False,
) -> Any:
    lengths = (input_lengths, target_lengths)
    return _with_lengths(
        torch.ops.aten.ctc_loss.IntList, log_probs, targets, lengths, (blank, reduction, zero_infinity)
    )


@output_rule("_ctc_loss.Tensor")
def _loss_and_alpha(
    log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: int = 0, zero_infinity: bool = False
) -> Any:
    """The loss of each sequence, and the logarithm of alpha, ``(N, T, 2 S + 1)`` for targets of ``S`` at most."""
    lengths = (input_lengths, target_lengths)
    return _with_lengths(torch.ops.aten._ctc_loss.default, log_probs, targets, lengths, (blank, zero_infinity))


@output_rule("_ctc_loss_backward", "_ctc_loss_backward.Tensor")
def _gradient(grad: Any, log_probs: Any, *rest: Any, **more: Any) -> Any:
    return empty(log_probs.shape, log_probs.dtype) if is_strided_meta(log_probs) else NotImplemented
