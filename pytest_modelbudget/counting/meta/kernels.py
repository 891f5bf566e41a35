"""Composite operators as devices run them, while autograd is on: on meta PyTorch would take them apart instead.

With autograd, operators made of others dissolve before anything sees them. A kernel for autograd on meta is met first,
whoever calls: Python, PyTorch's own modules, or its C++.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from .attention import fused_attention, has_fused_kernel
from .recurrent import RECURRENT, steps, takes_steps

_KEY = "AutogradMeta"


@contextmanager
def device_kernels(rules: str, *, fused: bool) -> Iterator[None]:
    """Attention is ``fused``; recurrent layers take a CPU's steps, or dropout keeps CUDA's mask, by ``rules``."""
    aten = torch.ops.aten
    with torch.library._scoped_library("aten", "IMPL") as library:
        if fused:
            library.impl(aten.scaled_dot_product_attention.default, _attention, _KEY)
        if rules == "cuda":
            library.impl(aten.dropout.default, _dropout, _KEY)
        else:
            for operator, name in RECURRENT.items():
                library.impl(operator, partial(_recurrent, operator, name), _KEY)
        yield


def taken_apart(operator: Any) -> Callable[..., Any]:
    """An operator as the operators it is made of: PyTorch's own kernel for that, not a decomposition in Python."""
    return partial(operator._op_dk, torch._C.DispatchKey.CompositeImplicitAutograd)


def _attention(*args: Any, **kwargs: Any) -> Any:
    if has_fused_kernel(args, kwargs):
        return fused_attention(*args, **kwargs)
    return taken_apart(torch.ops.aten.scaled_dot_product_attention.default)(*args, **kwargs)


def _dropout(input: torch.Tensor, p: float, train: bool) -> torch.Tensor:
    """With a mask of one byte an element (``native_dropout``, as ``Dropout.cpp`` chooses on CUDA)."""
    if train and 0 < p < 1 and input.numel():
        out: torch.Tensor = torch.ops.aten.native_dropout(input, p, train)[0]
        return out
    apart: torch.Tensor = taken_apart(torch.ops.aten.dropout.default)(input, p, train)
    return apart


def _recurrent(operator: Any, name: str, *args: Any) -> Any:
    return steps(name, *args) if takes_steps(args) else taken_apart(operator)(*args)
