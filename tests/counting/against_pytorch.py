"""A check of the meta device: every output of a rule, and every one from the cache, is compared with PyTorch's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from releases import RELEASE
from torch._prims_common import suggest_memory_format

from pytest_modelbudget.counting.meta.execution import MetaExecution
from pytest_modelbudget.counting.meta.output_rules.registry import operators_named

_CONVOLUTIONS = frozenset(operators_named("conv1d", "conv2d", "conv3d", "convolution", "convolution_backward"))
MEMORY_FORMATS = RELEASE >= (2, 12)
"""Whether this PyTorch gives what convolutions return on meta the memory format that it should have."""

_BATCH_NORMS = (
    torch.ops.aten.batch_norm.default,
    torch.ops.aten.native_batch_norm.default,
    torch.ops.aten.native_batch_norm_backward.default,
)


def departs(operator: Any, args: Any) -> bool:
    """Whether a rule gives what the kernels of CPU and CUDA return, where PyTorch returns something else on meta.

    Batch norm saves no statistics outside training, and returns no gradients but those that are asked for. Its output
    has a memory format, whatever the strides of the input are. Before 2.12 a convolution takes the layout of its weight
    on meta, and its gradients take none: only those of row-major tensors are alike.
    """
    if operator in _CONVOLUTIONS and not MEMORY_FORMATS:
        return any(t.stride() != torch.empty(t.shape, device="meta").stride() for t in _tensors(args))
    if operator in _BATCH_NORMS:
        input = args[1] if operator is torch.ops.aten.native_batch_norm_backward.default else args[0]
        if input.stride() != torch.empty_like(input, memory_format=suggest_memory_format(input)).stride():
            return True
    if operator is torch.ops.aten.native_batch_norm.default:
        return not args[5]
    return operator is torch.ops.aten.native_batch_norm_backward.default and not all(args[-1])


@contextmanager
def checked_against_pytorch() -> Iterator[Counter[str]]:
    """Run each operator inside by PyTorch as well. Yields the number of comparisons by operator.

    Compared are size, strides, dtype, device and storage offset of each output, and with which of the arguments and
    other outputs it shares memory. Raises `AssertionError` at the end with each operator whose outputs differ.
    """
    seen: Counter[str] = Counter()
    differences: list[str] = []
    call, by_rule = MetaExecution._call, MetaExecution.by_rule

    def compared(self: MetaExecution, operator: Any, args: Any, kwargs: dict[str, Any], *how: Any) -> Any:
        prepared = self.prepare(operator, args, kwargs)
        out, temporaries = call(self, operator, args, kwargs, *how)
        if departs(operator, args) or torch.Tag.inplace_view in operator.tags:  # it cannot run twice
            return out, temporaries
        if not any(t.is_meta for t in _tensors(prepared)):  # PyTorch ran it
            return out, temporaries
        try:
            again = operator(*prepared[0], **prepared[1])
        except RuntimeError:  # PyTorch refuses it on meta, and a rule says what it returns
            return out, temporaries
        ours, theirs = described(out, prepared), described(again, prepared)
        if ours != theirs:
            given = described(_tensors(prepared), ())
            differences.append(f"{operator} of {given}:\n  {ours} here,\n  {theirs} from PyTorch")
        seen[str(operator)] += 1
        return out, temporaries

    MetaExecution._call = compared
    MetaExecution.by_rule = lambda self, rule, args, kwargs: NotImplemented
    try:
        yield seen
    finally:
        MetaExecution._call, MetaExecution.by_rule = call, by_rule
    if differences:  # not while the model runs, which may catch what is raised in it
        raise AssertionError("\n".join(differences))


def described(value: Any, args: Any) -> list[Any]:
    """All that can be told of each tensor in ``value`` without its data, and with which tensors it shares memory."""
    tensors, given = _tensors(value), _tensors(args)
    storages = [_storage(t) for t in (*given, *tensors)]
    return [
        (
            type(value).__name__ if not isinstance(value, torch.Tensor) else "",
            tuple(t.shape),
            t.stride(),
            t.dtype,
            t.device.type,
            t.storage_offset(),
            t.untyped_storage().nbytes(),
            t.is_conj(),
            t.is_neg(),
            storages.index(_storage(t)),
            next((i for i, one in enumerate(given) if one is t), None),
        )
        for t in tensors
    ]


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value] if value.layout is torch.strided and not value.is_nested else []
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return []
    return [tensor for item in value for tensor in _tensors(item)]


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
