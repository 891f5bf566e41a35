"""Autocast on the meta device, where PyTorch has none: arguments are cast as they are on CPU or CUDA.

The kernels that cast are registered under a dispatch key of autocast that no built-in device uses. They run where those
of PyTorch's own autocast do, before the operator and inside composite operators as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch

from .autocast_policies import CastPolicy, cast_operators

_KEY: Any = torch._C.DispatchKey.AutocastPrivateUse1  # type: ignore[attr-defined] # the stub lists a part of them


def autocast_of(
    amp: str | None, device_type: str, *, real: bool, recompute: bool = False
) -> Callable[[], AbstractContextManager[Any]]:
    """What makes the autocast of a step: PyTorch's own in a ``real`` run, `autocast` on the meta device.

    ``amp`` is the name of a dtype, or ``None`` for no autocast. ``recompute`` is for the backward pass, as in
    `autocast`; PyTorch's own sees to that itself.
    """
    if amp is None or (real and recompute):
        return nullcontext
    dtype = getattr(torch, amp)
    if real:
        return partial(torch.autocast, device_type, dtype=dtype)
    return partial(autocast, dtype, device_type, recompute=recompute)


@contextmanager
def autocast(dtype: torch.dtype, device_type: str, *, recompute: bool = False) -> Iterator[None]:
    """Run what is inside as under ``torch.autocast(device_type, dtype)``: meta tensors are cast, weights once each.

    ``torch.autocast(..., enabled=False)`` inside has its effect. ``recompute`` is for a backward pass, in which nothing
    is cast but what a checkpoint recomputes, which runs with gradients enabled.
    """
    region = _Region(dtype, device_type, recompute=recompute)
    library = torch.library.Library("aten", "IMPL")
    fallback = torch.library.Library("_", "IMPL")
    fallback.fallback(torch.library.fallthrough_kernel, _KEY.name)
    region.register(library)
    global _region
    outer, _region = _region, region
    enabled, before = torch.is_autocast_enabled(device_type), torch.get_autocast_dtype(device_type)
    excluded = torch._C._dispatch_tls_is_dispatch_key_excluded(_KEY)
    included = torch._C._dispatch_tls_is_dispatch_key_included(_KEY)
    torch.set_autocast_dtype(device_type, dtype)
    set_enabled = torch.set_autocast_enabled
    torch.set_autocast_enabled = region.noting(set_enabled)
    torch.set_autocast_enabled(device_type, not recompute)
    torch._C._dispatch_tls_set_dispatch_key_excluded(_KEY, False)
    torch._C._dispatch_tls_set_dispatch_key_included(_KEY, True)
    try:
        yield
    finally:
        torch._C._dispatch_tls_set_dispatch_key_included(_KEY, included)
        torch._C._dispatch_tls_set_dispatch_key_excluded(_KEY, excluded)
        torch.set_autocast_enabled = set_enabled
        torch.set_autocast_enabled(device_type, enabled)
        torch.set_autocast_dtype(device_type, before)
        _region = outer
        region.casts.clear()
        library._destroy()
        fallback._destroy()


def active_autocast() -> tuple[str, torch.dtype] | None:
    """The device type and dtype of the autocast that the next operator runs under, or ``None``.

    Inside an operator that was cast itself it is ``None``: as in PyTorch, the operators it is made of are not cast.
    """
    if _region is None or _region.depth or not _region.is_active:
        return None
    return _region.device_type, _region.dtype


def cast(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The arguments of a higher-order operator that runs in lower precision, cast if there is autocast."""
    active = active_autocast()
    return tensors if active is None else tuple(t.to(active[1]) if _is_cast(t) else t for t in tensors)


def below_autocast() -> Any:
    """A context in which operators are called with arguments that are cast already."""
    return torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(_KEY))


@contextmanager
def autocast_in_mode() -> Iterator[None]:
    """Cast the operators that a dispatch mode runs itself, for which PyTorch turns autocast off."""
    if active_autocast() is None:
        yield
        return
    excluded = torch._C._dispatch_tls_is_dispatch_key_excluded(_KEY)
    torch._C._dispatch_tls_set_dispatch_key_excluded(_KEY, False)
    try:
        yield
    finally:
        torch._C._dispatch_tls_set_dispatch_key_excluded(_KEY, excluded)


class _Region:
    """One autocast region: its kernels, the weights that it has cast, and the depth of cast operators it is in."""

    def __init__(self, dtype: torch.dtype, device_type: str, *, recompute: bool) -> None:
        self.dtype = dtype
        self.device_type = device_type
        self.depth = 0
        self.casts: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._recompute = recompute
        self._enabled = False

    @property
    def is_active(self) -> bool:
        """Whether the operator that runs now is cast."""
        return torch.is_grad_enabled() if self._recompute else self._enabled

    def noting(self, set_enabled: Any) -> Any:
        """``torch.set_autocast_enabled``, whose argument is noted: in a dispatch mode PyTorch says autocast is off."""

        def noted(*args: Any) -> None:
            set_enabled(*args)
            if (args[0] if len(args) > 1 else "cuda") == self.device_type:
                self._enabled = bool(args[-1])

        return noted

    def register(self, library: Any) -> None:
        """Register a kernel for every operator that autocast casts."""
        prepare: dict[CastPolicy, Callable[[Any, Any, Any], Any]] = {
            CastPolicy.LOWER_PRECISION: lambda operator, args, kwargs: self._cast(args, kwargs, self.dtype),
            CastPolicy.FP32: lambda operator, args, kwargs: self._cast(args, kwargs, torch.float32),
            CastPolicy.FP32_SET_OPT_DTYPE: self._set_dtype,
            CastPolicy.PROMOTE: self._promote,
        }
        for operator, policy in cast_operators(self.device_type).items():
            library.impl(operator, self._kernel(operator, prepare[policy]), _KEY.name)

    def _kernel(self, operator: Any, prepare: Callable[[Any, Any, Any], Any]) -> Any:
        def kernel(*args: Any, **kwargs: Any) -> Any:
            if self.is_active:
                args, kwargs = prepare(operator, args, kwargs)
            self.depth += 1
            try:
                with torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(_KEY)):
                    return operator(*args, **kwargs)
            finally:
                self.depth -= 1

        return kernel

    def _promote(self, operator: Any, args: Any, kwargs: Any) -> Any:
        dtypes = {t.dtype for t in _floating((*args, *kwargs.values()))}
        if not dtypes:
            return args, kwargs
        return self._cast(args, kwargs, torch.float32 if torch.float32 in dtypes else self.dtype)

    def _set_dtype(self, operator: Any, args: Any, kwargs: Any) -> Any:
        names = [argument.name for argument in operator._schema.arguments]
        place = names.index("dtype") if "dtype" in names else None
        if place is None or (len(args) > place and args[place] is not None) or kwargs.get("dtype") is not None:
            return args, kwargs
        if not isinstance(args[0], torch.Tensor) or not _is_cast(args[0]):
            return args, kwargs
        return args[:place], {**kwargs, "dtype": torch.float32}

    def _cast(self, args: Any, kwargs: Any, dtype: torch.dtype) -> Any:
        """The arguments in ``dtype``. The last is cast first, as in compiled C++: backward runs in the other order."""
        with torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(_KEY)):
            named = {name: self._value(value, dtype) for name, value in reversed(kwargs.items())}
            return tuple([self._value(value, dtype) for value in reversed(args)][::-1]), named

    def _value(self, value: Any, dtype: torch.dtype) -> Any:
        if isinstance(value, torch.Tensor):
            return self._tensor(value, dtype) if _is_cast(value) and value.dtype != dtype else value
        if isinstance(value, (list, tuple)) and any(isinstance(item, torch.Tensor) for item in value):
            return type(value)(self._value(item, dtype) for item in value)
        return value

    def _tensor(self, tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """The tensor in ``dtype``. That of a weight is kept until the region ends, as by PyTorch's ``cached_cast``."""
        is_cached = (
            not self._recompute  # each checkpoint casts anew
            and dtype == self.dtype
            and tensor.dtype == torch.float32
            and tensor.requires_grad
            and tensor.is_leaf
            and not tensor._is_view()
        )
        if not is_cached:
            return tensor.to(dtype)
        known = self.casts.get(id(tensor))
        if known is None:
            known = self.casts[id(tensor)] = (tensor, tensor.to(dtype))
        return known[1]


_region: _Region | None = None


def _is_cast(tensor: torch.Tensor) -> bool:
    """Whether autocast casts a tensor: a floating one that is not double."""
    return tensor.is_floating_point() and tensor.dtype != torch.float64


def _floating(values: Any) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            if _is_cast(value):
                yield value
        elif isinstance(value, (list, tuple)):
            yield from _floating(value)
