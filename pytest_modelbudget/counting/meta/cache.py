"""Remembering what an operator returns on meta: its outputs' sizes depend on its inputs' sizes, and on nothing else.

PyTorch works many of them out in Python, slowly; a network calls the same operator on the same sizes again and
again. What is remembered is metadata, never a tensor.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import torch

from .autocast import inside

META = torch.device("meta")
_MOST = 1 << 15  # operator calls remembered; some hundred bytes each


@dataclass(frozen=True)
class Recipe:
    """What an operator call returns: new tensors of these sizes, strides and dtypes, and in what they come.

    Without outputs it is the first argument, changed in place; ``by_pytorch`` is a call that is made each time, as
    its outputs share memory with its arguments. ``transient``: bytes needed while it runs, beyond its outputs.
    """

    outputs: tuple[tuple[tuple[int, ...], tuple[int, ...], torch.dtype], ...] = ()
    container: type | None = None
    by_pytorch: bool = False
    transient: int = 0

    def make(self, args: Any) -> Any:
        """The outputs of a call with ``args``."""
        if not self.outputs:
            return args[0]
        if self.container is None:
            size, stride, dtype = self.outputs[0]
            return torch.empty_strided(size, stride, dtype=dtype, device=META)
        return self.container(torch.empty_strided(n, s, dtype=d, device=META) for n, s, d in self.outputs)


_BY_PYTORCH = Recipe(by_pytorch=True)
_MEMORY: OrderedDict[Hashable, Recipe] = OrderedDict()


def forget() -> None:
    """Drop everything remembered, as a new process would start."""
    _MEMORY.clear()


def remembered(operator: Any, args: Any, kwargs: dict[str, Any], run: Callable[[], Any]) -> Any:
    """The result of ``run``, or one like it that an earlier call with equal metadata had.

    Only results that are new tensors, or the first argument changed in place, are remembered: a view, or a tensor
    that shares memory with an argument, is made by PyTorch each time.
    """
    return _remembered(_key(operator, args, kwargs, ()), operator, args, lambda: (run(), 0))[0]


def remembered_whole(
    operator: Any, args: Any, kwargs: dict[str, Any], run: Callable[[], tuple[Any, int]], rules: str
) -> tuple[Any, int]:
    """As `remembered`, for an operator made of others: with the bytes that were alive beside its result.

    ``rules`` are those that bytes are counted by. How PyTorch takes it apart may depend on what requires gradients, and
    autocast casts its parts.
    """
    flags = (rules, inside(), *[arg.requires_grad for arg in args if isinstance(arg, torch.Tensor)])
    return _remembered(_key(operator, args, kwargs, flags), operator, args, run)


def _remembered(key: Hashable | None, operator: Any, args: Any, run: Callable[[], tuple[Any, int]]) -> tuple[Any, int]:
    if key is None:
        return run()
    recipe = _MEMORY.get(key)
    if recipe is not None:
        _MEMORY.move_to_end(key)
        return run() if recipe.by_pytorch else (recipe.make(args), recipe.transient)
    out, transient = run()
    _MEMORY[key] = _recipe(operator, args, out, transient)
    if len(_MEMORY) > _MOST:
        _MEMORY.popitem(last=False)
    return out, transient


class _Unknown(Exception):
    """An argument that cannot be part of a key."""


def _key(operator: Any, args: Any, kwargs: dict[str, Any], flags: Hashable) -> Hashable | None:
    schema = getattr(operator, "_schema", None)
    if schema is None:
        return None
    try:
        parts: list[Hashable] = [operator, flags, torch.get_default_dtype()]
        parts += [_part(arg) for arg in args]
        for name, value in kwargs.items():
            parts += [name, _part(value)]
        key = tuple(parts)
        hash(key)
    except (_Unknown, TypeError):
        return None
    return key


def _part(value: Any) -> Hashable:
    if isinstance(value, torch.Tensor):
        if not value.is_meta or value.layout != torch.strided or type(value) not in (torch.Tensor, torch.nn.Parameter):
            raise _Unknown
        return (value.shape, value.stride(), value.dtype, value.storage_offset(), value.is_conj(), value.is_neg())
    if isinstance(value, (list, tuple)):
        return tuple([_part(item) for item in value])
    if isinstance(value, (bool, int, float, complex)):
        return (type(value), value)  # 1, 1.0 and True are equal, and promote differently
    if isinstance(value, torch.Generator):
        raise _Unknown
    hashable: Hashable = value
    return hashable


def _recipe(operator: Any, args: Any, out: Any, transient: int) -> Recipe:
    if operator._schema.is_mutable:
        same = len(args) > 0 and out is args[0] and torch.Tag.inplace_view not in operator.tags
        return Recipe(transient=transient) if same else _BY_PYTORCH
    storages = {_storage(t) for t in _tensors(args)}
    results = [out] if isinstance(out, torch.Tensor) else out
    if not isinstance(results, (list, tuple)) or not results:
        return _BY_PYTORCH
    for result in results:
        if type(result) is not torch.Tensor or not result.is_meta or result.layout != torch.strided:
            return _BY_PYTORCH
        if _storage(result) in storages or result.storage_offset() or result.is_conj() or result.is_neg():
            return _BY_PYTORCH
        if result.untyped_storage().nbytes() != _extent(result):
            return _BY_PYTORCH  # a part of something larger, which it keeps alive
        storages.add(_storage(result))
    container = None if isinstance(out, torch.Tensor) else list if isinstance(out, list) else tuple
    return Recipe(tuple((tuple(r.shape), r.stride(), r.dtype) for r in results), container, transient=transient)


def _extent(tensor: torch.Tensor) -> int:
    """Bytes from the first element of a tensor to its last."""
    if tensor.numel() == 0:
        return 0
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return (last + 1) * tensor.element_size()


def _tensors(args: Any) -> list[torch.Tensor]:
    found = [value for value in args if isinstance(value, torch.Tensor)]
    found += [t for value in args if isinstance(value, (list, tuple)) for t in value if isinstance(t, torch.Tensor)]
    return found


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
