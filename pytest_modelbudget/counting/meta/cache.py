"""The cache of what operators return on the meta device: sizes, strides and dtypes of outputs, and never a tensor.

These depend on the metadata of the arguments alone. PyTorch works many of them out in Python, slowly, and a network
calls the same operator on the same sizes again and again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from .autocast import active_autocast
from .layout import META, extent

_METADATA = (str, torch.dtype, torch.device, torch.layout, torch.memory_format)
_CAPACITY = 1 << 15  # operator calls, of some hundred bytes each


@dataclass(frozen=True)
class CachedOutputs:
    """What one operator call returned, so that it can be made again.

    ``outputs`` are the size, strides and dtype of each new tensor, ``container`` the type they come in if there are
    several. Without outputs, the call returned its first argument, changed in place, or ``nothing``. ``by_pytorch``
    marks a call that PyTorch has to run each time, because its outputs share memory with its arguments.
    ``temporaries`` are the bytes that the call had alive at its peak beside its outputs.
    """

    outputs: tuple[tuple[tuple[int, ...], tuple[int, ...], torch.dtype], ...] = ()
    container: type | None = None
    nothing: bool = False
    by_pytorch: bool = False
    temporaries: int = 0

    def make(self, args: Any) -> Any:
        """The outputs of a call with ``args``."""
        if not self.outputs:
            return None if self.nothing else args[0]
        if self.container is None:
            size, stride, dtype = self.outputs[0]
            return torch.empty_strided(size, stride, dtype=dtype, device=META)
        return self.container(torch.empty_strided(n, s, dtype=d, device=META) for n, s, d in self.outputs)


_BY_PYTORCH = CachedOutputs(by_pytorch=True)
_CACHE: OrderedDict[Hashable, CachedOutputs] = OrderedDict()


def clear() -> None:
    """Empty the cache."""
    _CACHE.clear()


def cached(operator: Any, args: Any, kwargs: dict[str, Any], run: Callable[[], Any]) -> Any:
    """The outputs of an earlier call with equal metadata, made again, or else the result of ``run``, which is cached.

    Only new tensors, and arguments changed in place, are cached. PyTorch makes views, and tensors that share
    memory with an argument, each time.
    """
    return _cached(_key(operator, args, kwargs, ()), operator, args, partial(_without_temporaries, run))[0]


def _without_temporaries(run: Callable[[], Any]) -> tuple[Any, int]:
    return run(), 0


def cached_with_temporaries(
    operator: Any, args: Any, kwargs: dict[str, Any], run: Callable[[], tuple[Any, int]], variant: str
) -> tuple[Any, int]:
    """As `cached`, for a composite operator: ``run`` also gives the bytes of its temporaries.

    ``variant`` is part of the key: the device type whose allocator counts the bytes, and whether a kernel is fused. So
    are the arguments that require gradients, and autocast, on which PyTorch's choice of operators depends.
    """
    flags = (variant, active_autocast(), *[arg.requires_grad for arg in args if isinstance(arg, torch.Tensor)])
    return _cached(_key(operator, args, kwargs, flags), operator, args, run)


def _cached(key: Hashable | None, operator: Any, args: Any, run: Callable[[], tuple[Any, int]]) -> tuple[Any, int]:
    if key is None:
        return run()
    known = _CACHE.get(key)
    if known is not None:
        _CACHE.move_to_end(key)
        return run() if known.by_pytorch else (known.make(args), known.temporaries)
    out, temporaries = run()
    _CACHE[key] = _entry(operator, args, out, temporaries)
    if len(_CACHE) > _CAPACITY:
        _CACHE.popitem(last=False)
    return out, temporaries


class _NoKey(Exception):
    """An argument cannot be part of a key."""


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
    except (_NoKey, TypeError):
        return None
    return key


def _part(value: Any) -> Hashable:
    if isinstance(value, torch.Tensor):
        if not value.is_meta or value.layout != torch.strided or type(value) not in (torch.Tensor, torch.nn.Parameter):
            raise _NoKey
        return (value.shape, value.stride(), value.dtype, value.storage_offset(), value.is_conj(), value.is_neg())
    if isinstance(value, (list, tuple)):
        return tuple([_part(item) for item in value])
    if isinstance(value, (bool, int, float, complex)):
        return (type(value), value)  # 1, 1.0 and True are equal, and promote differently
    if value is None or isinstance(value, _METADATA):
        return value
    raise _NoKey  # a generator has a state, and an object of its own kind may never be seen again


def _entry(operator: Any, args: Any, out: Any, temporaries: int) -> CachedOutputs:
    if operator._schema.is_mutable:
        if out is None and _changes_values_of_lists(operator):
            return CachedOutputs(nothing=True, temporaries=temporaries)
        in_place = len(args) > 0 and out is args[0] and torch.Tag.inplace_view not in operator.tags
        return CachedOutputs(temporaries=temporaries) if in_place else _BY_PYTORCH
    storages = {_storage(t) for t in _tensors(args)}
    results = [out] if isinstance(out, torch.Tensor) else out
    if not isinstance(results, (list, tuple)) or not results:
        return _BY_PYTORCH
    for result in results:
        if type(result) is not torch.Tensor or not result.is_meta or result.layout != torch.strided:
            return _BY_PYTORCH
        if _storage(result) in storages or result.storage_offset() or result.is_conj() or result.is_neg():
            return _BY_PYTORCH
        if result.untyped_storage().nbytes() != extent(result) * result.element_size():
            return _BY_PYTORCH  # a part of a larger storage, which it keeps alive
        storages.add(_storage(result))
    container = None if isinstance(out, torch.Tensor) else list if isinstance(out, list) else tuple
    return CachedOutputs(
        tuple((tuple(r.shape), r.stride(), r.dtype) for r in results), container, temporaries=temporaries
    )


def _changes_values_of_lists(operator: Any) -> bool:
    """Whether an operator gives lists of tensors other values, and does nothing else (``_foreach_add_``)."""
    changed = [arg for arg in operator._schema.arguments if arg.alias_info is not None and arg.alias_info.is_write]
    lists = all(str(arg.type) == "List[Tensor]" and not arg.is_out for arg in changed)
    return lists and bool(operator.namespace == "aten")


def _tensors(args: Any) -> list[torch.Tensor]:
    found = [value for value in args if isinstance(value, torch.Tensor)]
    found += [t for value in args if isinstance(value, (list, tuple)) for t in value if isinstance(t, torch.Tensor)]
    return found


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
