"""Autocast on the meta device, where PyTorch has none: arguments are cast as they are on CPU or CUDA.

The kernels that cast are registered under a dispatch key of autocast that no built-in device uses. They run where those
of PyTorch's own autocast do, before the operator and inside composite operators as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch

from ..pytorch.private import (
    AUTOCAST_KEY,
    DispatchKeySet,
    ExcludeDispatchKeyGuard,
    autocast_dtype,
    is_key_excluded,
    set_key_excluded,
    set_key_included,
)
from .autocast_policies import CastPolicy, cast_operators
from .autocast_state import autocast_stands_in


def autocast_of(amp: str | None, device_type: str) -> Callable[[], AbstractContextManager[Any]]:
    """What makes the autocast of a step. ``amp`` is the name of a dtype, or ``None`` for no autocast."""
    return nullcontext if amp is None else partial(torch.autocast, device_type, dtype=getattr(torch, amp))


@contextmanager
def autocast_by_rules_of(device_type: str, *, on: str) -> Iterator[None]:
    """Give ``torch.autocast`` of ``device_type`` inside the effect on tensors of ``on`` that it has on that device.

    So has ``torch.autocast(on)``, and what asks whether autocast is on, or for its dtype, is answered for ``on`` as for
    ``device_type``. Autocast of other devices has no effect, as on that device. On the meta device PyTorch has no
    autocast; in a real run it would not keep the weights that it casts, as it does where no inference mode is on.
    """
    region = _Region(device_type)
    global _region
    outer, _region = _region, region
    try:
        with autocast_stands_in(on, device_type, region):
            yield
    finally:
        _region = outer
        region.close()


def active_autocast() -> tuple[str, torch.dtype] | None:
    """The device type and dtype of the autocast that the next operator runs under, or ``None``.

    Inside an operator that was cast itself it is ``None``: as in PyTorch, the operators it is made of are not cast.
    """
    if _region is None or _region.local.depth or not _region.local.enabled:
        return None
    return _region.device_type, _region.dtype


def cast(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The arguments of a higher-order operator that runs in lower precision, cast if there is autocast."""
    active = active_autocast()
    return tensors if active is None else tuple(t.to(active[1]) if _is_cast(t) else t for t in tensors)


def below_autocast() -> Any:
    """A context in which operators are called with arguments that are cast already."""
    return ExcludeDispatchKeyGuard(DispatchKeySet(AUTOCAST_KEY))


@contextmanager
def autocast_in_mode() -> Iterator[None]:
    """Cast the operators that a dispatch mode runs itself, for which PyTorch turns autocast off."""
    if active_autocast() is None:
        yield
        return
    excluded = is_key_excluded(AUTOCAST_KEY)
    set_key_excluded(AUTOCAST_KEY, False)
    try:
        yield
    finally:
        set_key_excluded(AUTOCAST_KEY, excluded)


class _ThreadState(threading.local):
    """What is of one thread: whether its operators are cast, and the depth of cast operators that it is in."""

    enabled = False
    depth = 0


class _Region:
    """The autocast of one count: its kernels, the weights that it has cast, and where it is on."""

    def __init__(self, device_type: str) -> None:
        self.device_type = device_type
        self.local = _ThreadState()
        self.casts: dict[tuple[int, torch.dtype], tuple[torch.Tensor, torch.Tensor]] = {}
        self._libraries: list[torch.library.Library] = []

    @property
    def dtype(self) -> torch.dtype:
        """The lower precision that autocast casts to now."""
        return autocast_dtype(self.device_type)

    def enabled(self) -> bool:
        """Whether autocast is on in this thread. In a dispatch mode PyTorch itself says that it is off."""
        return self.local.enabled

    def enable(self, enabled: bool) -> None:
        """Turn casting on or off in this thread. The kernels are registered where it is on for the first time."""
        if enabled and not self._libraries:
            self._register()
        self.local.enabled = enabled
        if enabled:
            set_key_excluded(AUTOCAST_KEY, False)
        set_key_included(AUTOCAST_KEY, enabled)

    def clear(self) -> None:
        """Forget the weights that were cast."""
        self.casts.clear()

    def close(self) -> None:
        """Remove the kernels."""
        self.clear()
        while self._libraries:
            self._libraries.pop()._destroy()

    def _register(self) -> None:
        """Register a kernel for every operator that autocast casts."""
        library = torch.library.Library("aten", "IMPL")
        fallback = torch.library.Library("_", "IMPL")
        self._libraries += [fallback, library]
        fallback.fallback(torch.library.fallthrough_kernel, AUTOCAST_KEY.name)
        prepare: dict[CastPolicy, Callable[[Any, Any, Any], Any]] = {
            CastPolicy.LOWER_PRECISION: lambda operator, args, kwargs: self._cast(args, kwargs, self.dtype),
            CastPolicy.FP32: lambda operator, args, kwargs: self._cast(args, kwargs, torch.float32),
            CastPolicy.FP32_SET_OPT_DTYPE: self._set_dtype,
            CastPolicy.PROMOTE: self._promote,
        }
        for operator, policy in cast_operators(self.device_type).items():
            library.impl(operator, self._kernel(operator, prepare[policy]), AUTOCAST_KEY.name)

    def _kernel(self, operator: Any, prepare: Callable[[Any, Any, Any], Any]) -> Any:
        local = self.local

        def kernel(*args: Any, **kwargs: Any) -> Any:
            if local.enabled:
                args, kwargs = prepare(operator, args, kwargs)
            local.depth += 1
            try:
                with ExcludeDispatchKeyGuard(DispatchKeySet(AUTOCAST_KEY)):
                    return operator(*args, **kwargs)
            finally:
                local.depth -= 1

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
        with ExcludeDispatchKeyGuard(DispatchKeySet(AUTOCAST_KEY)):
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
            dtype == self.dtype
            and tensor.dtype == torch.float32
            and tensor.requires_grad
            and tensor.is_leaf
            and not tensor._is_view()
            and torch.is_autocast_cache_enabled()
        )
        if not is_cached:
            return tensor.to(dtype)
        key = (id(tensor), dtype)
        known = self.casts.get(key)
        if known is None:
            known = self.casts[key] = (tensor, tensor.to(dtype))
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
