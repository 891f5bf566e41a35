"""Remembering what an operator returns on meta: its outputs' sizes depend on its inputs' sizes, and on nothing else.

PyTorch works many of them out in Python, slowly; a network calls the same operator on the same sizes again and
again. What is remembered is metadata, never a tensor.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import torch

META = torch.device("meta")
_MOST = 1 << 15  # operator calls remembered; some hundred bytes each


class Recipe(NamedTuple):
    """How to make a result from the arguments, and how many bytes were alive beside it while it was worked out."""

    make: Callable[[Any], Any]
    passing: int = 0


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

    ``rules`` are those that bytes are counted by. How PyTorch takes it apart may depend on what requires gradients.
    """
    flags = (rules, *[arg.requires_grad for arg in args if isinstance(arg, torch.Tensor)])
    return _remembered(_key(operator, args, kwargs, flags), operator, args, run)


def _remembered(key: Hashable | None, operator: Any, args: Any, run: Callable[[], tuple[Any, int]]) -> tuple[Any, int]:
    if key is None:
        return run()
    recipe = _MEMORY.get(key)
    if recipe is not None:
        _MEMORY.move_to_end(key)
        return recipe.make(args), recipe.passing
    out, passing = run()
    make = _maker(operator, args, out)
    if make is not None:
        _MEMORY[key] = Recipe(make, passing)
        if len(_MEMORY) > _MOST:
            _MEMORY.popitem(last=False)
    return out, passing


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


def _maker(operator: Any, args: Any, out: Any) -> Callable[[Any], Any] | None:
    if operator._schema.is_mutable:
        same = len(args) > 0 and out is args[0] and torch.Tag.inplace_view not in operator.tags
        return _first if same else None
    storages = {_storage(t) for t in _tensors(args)}
    results = [out] if isinstance(out, torch.Tensor) else out
    if not isinstance(results, (list, tuple)) or not results:
        return None
    for result in results:
        if type(result) is not torch.Tensor or not result.is_meta or result.layout != torch.strided:
            return None
        if _storage(result) in storages or result.storage_offset() or result.is_conj() or result.is_neg():
            return None
        if result.untyped_storage().nbytes() != _extent(result):
            return None  # a part of something larger, which it keeps alive
        storages.add(_storage(result))
    metas = [(tuple(r.shape), r.stride(), r.dtype) for r in results]
    if isinstance(out, torch.Tensor):
        size, stride, dtype = metas[0]
        return lambda args: torch.empty_strided(size, stride, dtype=dtype, device=META)
    kind = list if isinstance(out, list) else tuple
    return lambda args: kind(torch.empty_strided(s, st, dtype=d, device=META) for s, st, d in metas)


def _extent(tensor: torch.Tensor) -> int:
    """Bytes from the first element of a tensor to its last."""
    if tensor.numel() == 0:
        return 0
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return (last + 1) * tensor.element_size()


def _first(args: Any) -> Any:
    return args[0]


def _tensors(args: Any) -> list[torch.Tensor]:
    found = [value for value in args if isinstance(value, torch.Tensor)]
    found += [t for value in args if isinstance(value, (list, tuple)) for t in value if isinstance(t, torch.Tensor)]
    return found


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
