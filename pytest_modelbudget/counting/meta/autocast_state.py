"""PyTorch's functions of autocast, for a device that stands in for the one a budget is for.

``torch.autocast`` refuses the meta device, and CUDA where there is none. A model that asks for autocast of its inputs'
device, or of CUDA, gets here what it gets on the device that the budget is for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Protocol

import torch

from ..pytorch.private import CAST, IS_AUTOCAST_AVAILABLE
from ..pytorch.replaced import replaced


class Autocast(Protocol):
    """What does the casting instead of PyTorch."""

    def enabled(self) -> bool:
        """Whether it is on in this thread."""

    def enable(self, enabled: bool) -> None:
        """Turn it on or off in this thread."""

    def clear(self) -> None:
        """Forget the weights that were cast."""


@contextmanager
def autocast_stands_in(device: str, device_type: str, casting: Autocast) -> Iterator[None]:
    """Let ``casting`` do for tensors on the ``device`` of a count, what autocast of the budget's ``device_type`` does.

    ``torch.autocast``, ``is_autocast_enabled``, ``get_autocast_dtype``, ``custom_fwd`` and their like mean one state
    by both names. PyTorch's own autocast of ``device_type`` stays off.
    """
    names = {device, device_type}
    clear, enable, is_enabled = torch.clear_autocast_cache, torch.set_autocast_enabled, torch.is_autocast_enabled

    def enabling(*args: Any) -> None:
        if _device_type(args[:-1]) in names:
            casting.enable(bool(args[-1]))
        else:
            enable(*args)

    def asking(*args: Any) -> bool:
        return casting.enabled() if _device_type(args) in names else bool(is_enabled(*args))

    def clearing() -> None:
        clear()
        casting.clear()

    by_one_name = partial(_by_one_name, names, device_type)
    replacements = (
        (torch.autocast, "__init__", _initialiser(names, device_type, torch.autocast.__init__)),
        (*CAST, _caster(names, CAST.value)),
        (*IS_AUTOCAST_AVAILABLE, by_one_name(IS_AUTOCAST_AVAILABLE.value)),
        (torch, "get_autocast_dtype", by_one_name(torch.get_autocast_dtype)),
        (torch, "set_autocast_dtype", by_one_name(torch.set_autocast_dtype)),
        (torch, "set_autocast_enabled", enabling),
        (torch, "is_autocast_enabled", asking),
        (torch, "clear_autocast_cache", clearing),
    )
    with ExitStack() as stack:
        for owner, name, new in replacements:
            stack.enter_context(replaced(owner, name, new))
        yield


def _device_type(args: tuple[Any, ...]) -> Any:
    """The device type among the arguments of PyTorch's functions, which mean CUDA where none is given."""
    return args[0] if args else "cuda"


def _by_one_name(names: set[str], kept_as: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a device type, for which all ``names`` are ``kept_as``."""

    def named(*args: Any, **kwargs: Any) -> Any:
        if args and args[0] in names:
            args = (kept_as, *args[1:])
        return function(*args, **kwargs)

    return named


def _initialiser(names: set[str], kept_as: str, initialise: Callable[..., None]) -> Callable[..., None]:
    """``torch.autocast.__init__``, which does not ask whether there is CUDA."""

    def initialised(
        self: Any,
        device_type: str,
        dtype: torch.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if device_type not in names:
            initialise(self, device_type, dtype, enabled, cache_enabled)
            return
        dtype = torch.get_autocast_dtype(device_type) if dtype is None else dtype
        checks = kept_as == "cpu"  # which dtypes there are; CUDA has all
        initialise(self, "cpu", dtype, enabled and checks, cache_enabled)
        self.device = kept_as
        if not checks:
            self._enabled = enabled

    return initialised


def _caster(names: set[str], cast: Callable[..., Any]) -> Callable[..., Any]:
    """``_cast`` of ``torch.amp.custom_fwd``, for which a tensor on either device is on the one that is meant."""

    def casting(value: Any, device_type: str, dtype: torch.dtype) -> Any:
        if isinstance(value, torch.Tensor) and device_type in names:
            device_type = value.device.type if value.device.type in names else device_type
        return cast(value, device_type, dtype)

    return casting
