"""Kernels for autograd on the meta device that run composite operators as devices do.

With autograd on, PyTorch decomposes a composite operator before a dispatch mode sees it. A kernel registered for
autograd on the meta device runs first, whether Python, PyTorch's own modules or its C++ calls the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from ..pytorch.private import BelowAutograd, DispatchKey, scoped_library
from .attention import fused_attention, has_fused_kernel
from .recurrent import RECURRENT, is_dense_call, run_in_steps

_KEY = "AutogradMeta"


@contextmanager
def device_kernels(device_type: str, *, fused: bool) -> Iterator[None]:
    """Register the kernels of a device type: ``fused`` attention, CUDA's dropout, a CPU's recurrent layers.

    On any of them, also those of operators whose own decomposition reads values, hides a test for finite ones, or runs
    where devices have a kernel (``mish_backward``).
    """
    aten = torch.ops.aten
    with scoped_library("aten", "IMPL") as library:
        for operator in (aten.isfinite.default, aten.mish_backward.default):
            library.impl(operator, partial(_whole, operator), _KEY)
        library.impl(aten.ctc_loss.IntList, _ctc_loss, _KEY)
        if fused:
            library.impl(aten.scaled_dot_product_attention.default, _attention, _KEY)
        if device_type == "cuda":
            library.impl(aten.dropout.default, _dropout, _KEY)
        else:
            for operator, name in RECURRENT.items():
                library.impl(operator, partial(_recurrent, operator, name), _KEY)
        yield


def decomposed(operator: Any) -> Callable[..., Any]:
    """A composite operator as PyTorch's own kernel decomposes it, not as a decomposition in Python would."""
    return partial(operator._op_dk, DispatchKey.CompositeImplicitAutograd)


def _whole(operator: Any, *args: Any) -> Any:
    """The operator as it is, so that a dispatch mode sees it. Booleans have no gradient, nor has such a gradient."""
    with BelowAutograd():
        return operator(*args)


def _ctc_loss(log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, *options: Any) -> Any:
    """The overload that takes lengths as tensors: its mean over sequences does not write them to the meta device."""
    lengths = [torch.tensor(values) for values in (input_lengths, target_lengths)]
    return torch.ops.aten.ctc_loss.Tensor(log_probs, targets, *lengths, *options)


def _attention(*args: Any, **kwargs: Any) -> Any:
    if has_fused_kernel(args, kwargs):
        return fused_attention(*args, **kwargs)
    return decomposed(torch.ops.aten.scaled_dot_product_attention.default)(*args, **kwargs)


def _dropout(input: torch.Tensor, p: float, train: bool) -> torch.Tensor:
    """Dropout with a mask of one byte for each element (``native_dropout``, which ``Dropout.cpp`` chooses on CUDA)."""
    if train and 0 < p < 1 and input.numel():
        out: torch.Tensor = torch.ops.aten.native_dropout(input, p, train)[0]
        return out
    unmasked: torch.Tensor = decomposed(torch.ops.aten.dropout.default)(input, p, train)
    return unmasked


def _recurrent(operator: Any, name: str, *args: Any) -> Any:
    return run_in_steps(name, *args) if is_dense_call(args) else decomposed(operator)(*args)
