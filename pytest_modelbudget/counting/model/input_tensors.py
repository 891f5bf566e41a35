"""The tensors of one set of arguments: without data, with the data of small ones only, or real."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from ...errors import UsageError
from ..meta.arguments import is_small
from ..meta.execution import has_own_dispatch
from ..meta.layout import META, meta_like
from ..pytorch.private import is_traceable_wrapper_subclass


class InputTensors:
    """Makes the tensors of a set of arguments on ``device``, which is the meta device or one with data.

    ``dtype`` is the dtype of new float tensors; with ``cast``, those of the user are converted to it, too. With
    ``keep_small_data``, small tensors of integers and masks have data on the meta device: they are on the CPU.
    ``given`` are the user's tensors: those that share a storage share one here, with the same strides.
    """

    def __init__(
        self,
        dtype: torch.dtype,
        *,
        cast: bool,
        device: torch.device = META,
        keep_small_data: bool = False,
        given: Iterable[torch.Tensor] = (),
    ) -> None:
        self._dtype = dtype
        self._cast = cast
        self._device = device
        self._keep_small_data = keep_small_data
        self._floats = torch.Generator().manual_seed(0)
        self._bounded = 0
        self._spans = _spans(given)
        self._storages: dict[int, torch.Tensor] = {}

    def like(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor in place of the user's. Raises `UsageError` for a nested one of strided layout."""
        if tensor.is_nested and tensor.layout is torch.strided:
            raise UsageError(
                "inputs= holds a nested tensor of strided layout, which PyTorch does not run without data. Give one of "
                "jagged layout: torch.nested.nested_tensor([...], layout=torch.jagged)."
            )
        kind = type(tensor)
        if is_traceable_wrapper_subclass(tensor) and not tensor.is_nested:
            names, context = tensor.__tensor_flatten__()
            parts = {name: self.like(getattr(tensor, name)) for name in names}
            new = kind.__tensor_unflatten__(parts, context, tensor.size(), tensor.stride())
        else:
            is_view = tensor.numel() > 0 and _storage(tensor) in self._spans
            new = self._view(tensor) if is_view else self._alone(tensor)
            if kind is not torch.Tensor and type(new) is torch.Tensor and not has_own_dispatch((kind,)):
                return torch.Tensor._make_subclass(kind, new, tensor.requires_grad)
        return new.requires_grad_() if tensor.requires_grad else new

    def new(self, size: tuple[int, ...], dtype: torch.dtype | None = None, high: int | None = None) -> torch.Tensor:
        """A tensor of a size: with data, seeded noise for floats, zeros or seeded numbers below ``high`` for others."""
        dtype = self._dtype if dtype is None or (self._cast and dtype.is_floating_point) else dtype
        if high is not None:
            self._bounded += 1  # each has numbers of its own, the same in every attempt
        on_meta = self._device == META
        if on_meta and not self._keeps(size, dtype):
            return torch.empty(size, dtype=dtype, device=META)
        device = torch.device("cpu") if on_meta else self._device
        if high is not None:
            numbers = torch.Generator().manual_seed(self._bounded)
            return torch.randint(high, size, generator=numbers, dtype=dtype, device="cpu").to(device)
        if dtype.is_floating_point or dtype.is_complex:
            return torch.randn(size, generator=self._floats, device="cpu").to(device=device, dtype=dtype)
        return torch.zeros(size, dtype=dtype, device=device)

    def _keeps(self, size: Sequence[int], dtype: torch.dtype) -> bool:
        """Whether a tensor has data although the device is the meta device."""
        is_integer = not dtype.is_floating_point and not dtype.is_complex
        return self._keep_small_data and is_integer and is_small(size, dtype)

    def _alone(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor in place of one that fills its part of a storage, and shares it with no other."""
        dtype = self._dtype if self._cast and tensor.is_floating_point() else tensor.dtype
        if self._device != META:
            if tensor.is_meta:
                return self.new(tuple(tensor.shape), dtype)
            return tensor.detach().clone().to(device=self._device, dtype=dtype)
        if self._keeps(tensor.shape, dtype):
            return self.new(tuple(tensor.shape), dtype) if tensor.is_meta else tensor.detach().clone().to("cpu")
        return meta_like(tensor).to(dtype)

    def _view(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor in place of one that does not: a view of the part of the storage that is used."""
        key = _storage(tensor)
        begin, end = self._spans[key]
        whole = self._storages.get(key)
        if whole is None:
            part = tensor.detach().as_strided((end - begin,), (1,), begin)
            whole = self._storages[key] = self._alone(part)
        return whole.as_strided(tensor.size(), tensor.stride(), tensor.storage_offset() - begin)


def _storage(tensor: torch.Tensor) -> int:
    """What tells the storage of a tensor from others; zero where it is not simply in one."""
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or tensor.layout is not torch.strided:
        return 0
    if tensor.is_nested or tensor.is_quantized:
        return 0
    return int(tensor.untyped_storage()._cdata)


def _spans(tensors: Iterable[torch.Tensor]) -> dict[int, tuple[int, int]]:
    """The storages with several of the tensors in them, or with one that does not fill the part that it is in.

    For each, the part that they are in: the places of the first element, and behind the last.
    """
    by_storage: dict[int, dict[int, torch.Tensor]] = {}
    for tensor in tensors:
        if tensor.numel() and (key := _storage(tensor)):
            by_storage.setdefault(key, {})[id(tensor)] = tensor
    spans = {}
    for key, found in by_storage.items():
        members = list(found.values())
        begin = min(int(tensor.storage_offset()) for tensor in members)
        end = max(_end(tensor) for tensor in members)
        is_full = len(members) == 1 and members[0].numel() == end - begin
        if not is_full and len({tensor.dtype for tensor in members}) == 1:
            spans[key] = begin, end
    return spans


def _end(tensor: torch.Tensor) -> int:
    """The place in its storage behind the last element of a tensor."""
    steps = ((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return int(tensor.storage_offset() + sum(steps) + 1)
