"""The device of a count stands in for CUDA, and for any other accelerator, that a model asks for by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ..pytorch.replaced import replaced

_HOSTS = ("cpu", "meta")
_NOT_THERE = ("CUDA", "XPU", "accelerator device", "not linked with support for", "cannot pin", "NVIDIA driver")


class NeedsDevice(Exception):
    """A model asked for a device that is not there, or that a count must not start."""


@contextmanager
def device_stand_in(device: torch.device, *, active: bool) -> Iterator[None]:
    """Run what is inside so that ``device`` is the one that ``.cuda()`` and ``device="cuda"`` mean.

    Operators take any device as it is, but PyTorch starts CUDA before it calls them. A function mode that replaces the
    device costs a microsecond at every call and attribute, so only a model that asks for one has it: without ``active``
    such a model ends with `NeedsDevice`, also where it catches the error and goes on.
    """
    if active:
        with ExitStack() as stack:
            for owner, name, new in _ANSWERS:
                if hasattr(owner, name):
                    stack.enter_context(replaced(owner, name, new))
            stack.enter_context(_DeviceMode(device))
            yield
        return
    asked: list[str] = []

    def start(name: str) -> Callable[..., None]:
        def asking(*args: Any) -> None:
            asked.append(name)
            raise NeedsDevice(name)

        return asking

    try:
        with ExitStack() as stack:
            for module in (torch.cuda, torch.xpu):
                if not module.is_initialized():
                    stack.enter_context(replaced(module, "_lazy_init", start(module.__name__)))
                    stack.enter_context(replaced(module, "set_device", start(module.__name__)))
            yield
    except Exception as error:
        if asked or (isinstance(error, (RuntimeError, AssertionError)) and any(s in str(error) for s in _NOT_THERE)):
            raise NeedsDevice(str(error)) from error
        raise
    if asked:
        raise NeedsDevice(asked[0])


def on_any_device(function: Callable[[], Any], device: torch.device) -> Any:
    """What ``function`` returns, called again with the stand-in if it asks for a device that is not there."""
    try:
        with device_stand_in(device, active=False):
            return function()
    except NeedsDevice:
        with device_stand_in(device, active=True):
            return function()


_ANSWERS: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
    (torch.cuda, "current_device", lambda: 0),
    (torch.cuda, "set_device", lambda device: None),
    (torch.xpu, "set_device", lambda device: None),
    (torch.cuda, "synchronize", lambda *args, **kwargs: None),
    (torch.cuda, "_exchange_device", lambda index: 0),
    (torch.cuda, "_maybe_exchange_device", lambda index: 0),
)
"""What asks for a CUDA device in passing, and what it gets: the first one, where nothing has to be waited for."""

_TENSOR = torch.Tensor
_MOVES = {getattr(_TENSOR, name) for name in ("cuda", "xpu") if hasattr(_TENSOR, name)}


class _DeviceMode(TorchFunctionMode):
    """Replaces the devices among the arguments of functions. The CPU and the meta device stay what they are."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device = device

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one function."""
        kwargs = kwargs or {}
        if func in _MOVES:
            return args[0].to(self._device)
        if func is _TENSOR.pin_memory:
            return args[0]
        if func is _TENSOR.to and len(args) > 1:
            args = (args[0], self._stands_in(args[1]), *args[2:])
        elif func is _TENSOR.type and len(args) > 1 and isinstance(args[1], str):
            args = (args[0], args[1].replace("torch.cuda.", "torch."), *args[2:])
        if kwargs.get("device") is not None:
            kwargs = {**kwargs, "device": self._stands_in(kwargs["device"])}
        if kwargs.get("pin_memory"):
            kwargs = {**kwargs, "pin_memory": False}
        return func(*args, **kwargs)

    def _stands_in(self, value: Any) -> Any:
        """The device in the place of ``value``, if that is an accelerator: by name, or by its number."""
        if isinstance(value, str):
            value = torch.device(value)
        if isinstance(value, torch.device):
            return value if value.type in _HOSTS else self._device
        return self._device if isinstance(value, int) and not isinstance(value, bool) else value
