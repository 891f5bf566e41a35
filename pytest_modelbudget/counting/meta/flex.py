"""``flex_attention`` as the one operator that it is, not compiled: on meta and for real, in inference and training.

PyTorch compiles it whenever it is called, refuses it on meta, and on a CPU refuses to differentiate it. Its operator
(``higher_order::flex_attention``) knows none of that. What a block mask leaves out is in its numbers of blocks, which
are worked out beside meta: they follow from the function that makes the mask.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from ..operators.lengths import know
from ..pytorch.private import (
    FLEX_TAKES_NO_GRADIENT_OF_SUMS,
    BelowAutograd,
    DisableTorchDispatch,
    flex_operators,
    without_dispatch_modes,
)
from .autocast import below_autocast, cast
from .layout import META

_COMPILER = "torch._dynamo"
_ABSENT = object()


@contextmanager
def flex_attention_as_operator(*, real: bool) -> Iterator[None]:
    """Inside, ``torch.nn.attention.flex_attention`` neither compiles nor asks for a device.

    A PyTorch that cannot do without its compiler there (before 2.9) is left alone.
    """
    try:
        from torch.nn.attention import flex_attention as module
    except ImportError:  # PyTorch 2.4
        yield
        return
    stand_ins: list[tuple[Any, str, Any]] = [
        (module, "_validate_device", _ready),
        (module, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True),
        (module, "flex_attention_hop", _differentiable),
    ]
    if not all(hasattr(module, name) for _, name, _ in stand_ins):
        yield
        return
    if not real:
        stand_ins.append((module, "_create_sparse_block_from_block_mask", _knowing(module)))
        stand_ins.append((module.BlockMask, "kv_num_blocks", _NumbersOfBlocks()))
    before = [vars(owner).get(name, _ABSENT) for owner, name, _ in stand_ins]
    for owner, name, stand_in in stand_ins:
        setattr(owner, name, stand_in)
    try:
        yield
    finally:
        for (owner, name, _), value in zip(stand_ins, before, strict=True):
            if value is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


def _ready(query: Any, key: Any, value: Any) -> None:
    """Load the compiler that PyTorch asks whether it is there: it keeps the frames that wait for it in a cycle."""
    if _COMPILER not in sys.modules:
        with torch.inference_mode(False), DisableTorchDispatch():
            from torch import _dynamo  # noqa: F401
        gc.collect()


def _differentiable(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, score_mod: Any, block_mask: Any, *options: Any
) -> Any:
    """The operator, with a backward pass that does not trace ``score_mod``.

    What ``score_mod`` has learned gets its gradients from one score: it is called with one, and the result is an
    input of the operator.
    """
    query, key, value = cast(query, key, value)
    score = joint = None
    if torch.is_grad_enabled():
        indices = [query.new_zeros((), dtype=torch.int) for _ in range(4)]
        with _TensorsAsIndices():
            score = score_mod(query.new_zeros(()), *indices)
            if not query.is_meta:
                joint = _traced_backward(score_mod, query, indices)
    out: tuple[torch.Tensor, ...] = _Flex.apply(query, key, value, score, joint, (score_mod, block_mask, *options))
    return out


def _traced_backward(score_mod: Any, query: torch.Tensor, indices: Any) -> Any:
    """The gradient of ``score_mod``, which PyTorch traces for a real run."""
    with without_dispatch_modes():
        return flex_operators.create_fw_bw_graph(score_mod, (query.new_zeros((), requires_grad=True), *indices), ())[1]


class _Flex(torch.autograd.Function):
    """``flex_attention`` and ``flex_attention_backward``."""

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, score: Any, joint: Any, options: Any) -> Any:
        ctx.set_materialize_grads(False)
        with BelowAutograd(), below_autocast():
            out, sums, *others = flex_operators.flex_attention(query, key, value, *options)
        ctx.mark_non_differentiable(*others)
        ctx.save_for_backward(query, key, value, out, sums)
        ctx.options, ctx.joint, ctx.score = options, joint, None if score is None else (score.dtype, score.device)
        return (out, sums, *others)

    @staticmethod
    def backward(ctx: Any, grad: Any, grad_sums: Any, *others: Any) -> Any:
        query, key, value, out, sums = ctx.saved_tensors
        score_mod, block_mask, scale, kernel_options = ctx.options
        if grad_sums is None and not query.is_meta and not FLEX_TAKES_NO_GRADIENT_OF_SUMS:
            with without_dispatch_modes():  # as later releases do in the kernel
                grad_sums = torch.zeros_like(sums)
        with below_autocast():
            grads = flex_operators.flex_attention_backward(
                query, key, value, out, sums, grad, grad_sums, score_mod, ctx.joint, block_mask, scale, kernel_options
            )
        asked = ctx.needs_input_grad
        of_score = torch.zeros((), dtype=ctx.score[0], device=ctx.score[1]) if asked[3] else None
        return (*(g if ask else None for g, ask in zip(grads[:3], asked[:3], strict=True)), of_score, None, None)


class _TensorsAsIndices(TorchFunctionMode):
    """A number in a tensor indexes without being read."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.__getitem__:
            tensor, index = args
            items = index if isinstance(index, tuple) else (index,)
            if any(isinstance(item, torch.Tensor) for item in items) and all(map(_is_number, items)):
                found = [i if isinstance(i, torch.Tensor) else torch.tensor(i, device=tensor.device) for i in items]
                return torch.ops.aten.index.Tensor(tensor, found)
        return func(*args, **(kwargs or {}))


def _is_number(value: Any) -> bool:
    return isinstance(value, torch.Tensor) or type(value) is int


def _knowing(module: Any) -> Callable[..., Any]:
    """The function that puts a block mask together, which on meta also finds out what the mask holds, if it can."""
    original = module._create_sparse_block_from_block_mask

    def create(blocks: Any, mask_mod: Any, seq_lengths: tuple[int, int], *size: int, **more: int) -> Any:
        made = original(blocks, mask_mod, seq_lengths, *size, **more)
        if not vars(made)["kv_num_blocks"].is_meta:
            return made
        with DisableTorchDispatch():
            known = _blocks_with_data(module, blocks, mask_mod, seq_lengths, made.BLOCK_SIZE)
            if known is None:
                return made
            held = original(known, mask_mod, seq_lengths, *size, **more)
        for name in ("kv_num_blocks", "kv_indices", "full_kv_num_blocks", "full_kv_indices"):
            if vars(made)[name] is not None:
                know(vars(made)[name], vars(held)[name])
        return made

    return create


_STRIP = 1 << 24  # elements of a mask that are worked out at once


def _blocks_with_data(module: Any, like: Any, mask_mod: Any, seq_lengths: tuple[int, int], size: Any) -> Any:
    """Which blocks hold something, as ``like`` says it on meta; ``None`` where that depends on something on meta."""
    batch, heads = like[0].shape[:2]
    queries, keys = seq_lengths
    step = max(1, _STRIP // max(1, batch * heads * keys * size[0])) * size[0]
    found = []
    for start in range(0, queries, step):

        def from_here(b: Any, h: Any, q: Any, kv: Any, start: int = start) -> Any:
            return mask_mod(b, h, q + start, kv)

        try:
            mask = module.create_mask(from_here, batch, heads, min(step, queries - start), keys, device="cpu")
        except RuntimeError as error:
            if "meta" not in str(error):
                raise
            return None
        if mask.is_meta:
            return None
        found.append(module._convert_mask_to_block_mask(mask, *size, separate_full_blocks=like[1] is not None))
    return tuple(torch.cat(parts, 2) if parts[0] is not None else None for parts in zip(*found, strict=True))


class _NumbersOfBlocks:
    """``BlockMask.kv_num_blocks`` on meta, wherever it was made: PyTorch looks there for the device of a mask."""

    def __init__(self) -> None:
        self._stand_ins = WeakTensorKeyDictionary()

    def __get__(self, mask: Any, kind: Any = None) -> Any:
        if mask is None:
            return self
        held = vars(mask)["kv_num_blocks"]
        if held.is_meta:
            return held
        known = self._stand_ins.get(held)
        if known is None:
            known = self._stand_ins[held] = torch.empty_strided(
                held.size(), held.stride(), dtype=held.dtype, device=META
            )
            know(known, held)
        return known

    def __set__(self, mask: Any, value: Any) -> None:
        vars(mask)["kv_num_blocks"] = value
