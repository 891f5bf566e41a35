"""Outputs of views, and of operators that return their argument itself where they can.

A view is a new tensor each time, which PyTorch makes quickly: the rule spares the look-up in the cache.
"""

from __future__ import annotations

from typing import Any

import torch

from ..layout import empty, is_strided_meta
from .registry import FLOATING, OutputRule, operators_named, output_rule

_VIEWS = (
    "view", "_unsafe_view", "transpose.int", "permute", "t", "select.int", "slice.Tensor", "unsqueeze", "squeeze",
    "squeeze.dim", "squeeze.dims", "expand", "detach", "alias", "unflatten.int", "split.Tensor", "split.sizes",
    "split_with_sizes", "chunk", "unbind.int", "narrow",
)  # fmt: skip
_VIEWS_IF_CONTIGUOUS = ("reshape", "flatten.using_ints")


def _called(operator: Any) -> OutputRule:
    """The rule that calls the operator itself, on any meta tensor."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return operator(self, *args, **kwargs) if self.is_meta else NotImplemented

    return call


def _called_if_contiguous(operator: Any) -> OutputRule:
    """The rule that calls the operator on a contiguous tensor, of which it makes a view; of others it may copy."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        contiguous = self.is_meta and self.layout is torch.strided and self.is_contiguous()
        return operator(self, *args, **kwargs) if contiguous else NotImplemented

    return call


for _name in _VIEWS:
    for _operator in operators_named(_name):
        output_rule(_name)(_called(_operator))
for _name in _VIEWS_IF_CONTIGUOUS:
    for _operator in operators_named(_name):
        output_rule(_name)(_called_if_contiguous(_operator))


@output_rule("contiguous")
def _contiguous(self: torch.Tensor, *, memory_format: Any = torch.contiguous_format) -> Any:
    """The tensor itself where it is contiguous already, else a copy."""
    if not is_strided_meta(self) or memory_format is not torch.contiguous_format or self.dtype not in FLOATING:
        return NotImplemented
    return self if self.is_contiguous() else empty(self.shape, self.dtype)


@output_rule("dropout", "dropout_")
def _dropout(input: torch.Tensor, p: float, train: bool) -> Any:
    """The input itself, outside training."""
    return NotImplemented if train or not is_strided_meta(input) else input


@output_rule("lift_fresh")
def _lift_fresh(self: Any) -> Any:
    """The tensor that ``torch.tensor`` made. A single number keeps its data, so that code may read it."""
    single = self.is_meta or (type(self) is torch.Tensor and self.numel() <= 1)
    return torch.ops.aten.lift_fresh.default(self) if single else NotImplemented
