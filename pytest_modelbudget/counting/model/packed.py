"""The weights of ``torch.ao``'s quantised layers: packed for a kernel, they are neither parameters nor buffers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch

_OBJECT = torch.ScriptObject


class Packed(NamedTuple):
    """The number of elements in packed weights, and the bytes that they take with their scales and zero points."""

    elements: int
    size: int


def packed_in(module: torch.nn.Module) -> Packed | None:
    """What a module itself holds packed: weights and biases. ``None`` if there is nothing."""
    if not _may_pack(type(module)):
        return None
    objects = [value for value in vars(module).values() if isinstance(value, _OBJECT)]
    found = {t.untyped_storage()._cdata: t for value in objects for t in _tensors_of(value)}
    return Packed(sum(t.numel() for t in found.values()), sum(map(_size, found.values()))) if found else None


def packed_bytes(modules: Iterable[torch.nn.Module]) -> int:
    """The bytes of what ``modules`` hold packed."""
    modules = list(modules)
    kinds = {kind for kind in set(map(type, modules)) if _may_pack(kind)}
    found = (packed_in(module) for module in modules if type(module) in kinds)
    return sum(packed.size for packed in found if packed is not None)


def _may_pack(kind: type) -> bool:
    return not kind.__module__.startswith("torch.nn.") and not issubclass(kind, torch.jit.ScriptModule)


def _tensors_of(state: Any) -> Iterator[torch.Tensor]:
    """The weights in what a packed object is restored from. Integers there are the settings of a convolution."""
    if isinstance(state, torch.Tensor):
        if state.is_quantized or state.is_floating_point():
            yield state
    elif isinstance(state, torch.ScriptObject):
        packed: Any = state
        if packed._has_method("__getstate__"):
            yield from _tensors_of(packed.__getstate__())
    elif isinstance(state, (list, tuple)):
        for item in state:
            yield from _tensors_of(item)


def _size(tensor: torch.Tensor) -> int:
    if tensor.is_quantized:
        size: int = tensor.untyped_storage().nbytes()
        if tensor.qscheme() != torch.per_tensor_affine:
            size += tensor.q_per_channel_scales().nbytes + tensor.q_per_channel_zero_points().nbytes
        return size
    # A floating matrix is unpacked from float16, the one floating format there is (fbgemm's PackedGemmMatrixFP16).
    return tensor.numel() * 2 if tensor.dim() == 2 else tensor.nbytes
