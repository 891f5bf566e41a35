"""PyTorch's distributed code on the host: no streams, no events, and parameters that stay on the meta device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from ..meta.layout import META
from ..pytorch.distributed import (
    DEVICE_HANDLES,
    DEVICES_OF_MESHES,
    PROPAGATES_SHARDING,
    PROPAGATES_SIZES,
    REFUSES_META,
    RESETS_PARAMETER,
)
from ..pytorch.private import dispatch_modes, without_dispatch_modes
from ..pytorch.replaced import replaced
from . import collectives as collectives  # registers what collectives return
from .foreach import sharding_by_element
from .pipeline import one_stage


class _Stream:
    """A stream on which everything is done as soon as it is asked for. It is an event, too. There is one."""

    stream_id = device_index = 0
    device_type = 1  # as `torch.Stream` numbers it

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def record_event(self, event: Any = None) -> _Stream:
        """An event that has happened."""
        return self

    def wait_event(self, event: Any = None) -> None:
        """Nothing has to be waited for."""

    wait_stream = record = wait = wait_event

    def synchronize(self) -> None:
        """Nothing has to be waited for."""

    def query(self) -> bool:
        """Whether all is done."""
        return True


class _Host:
    """What PyTorch asks of the module of a type of device, such as ``torch.cuda``."""

    Stream = Event = _Stream

    @contextmanager
    def stream(self, stream: Any) -> Iterator[None]:
        """Work on a stream inside."""
        yield

    def current_stream(self, device: Any = None) -> _Stream:
        """The stream that is worked on."""
        return _STREAM

    def current_device(self) -> int:
        """The first device."""
        return 0

    def device_count(self) -> int:
        """There is one device for each process."""
        return 1

    def set_device(self, device: Any) -> None:
        """There is no other device."""

    def is_available(self) -> bool:
        """Whether there is a device."""
        return True

    is_initialized = is_available


_STREAM, _HOST = _Stream(), _Host()


@contextmanager
def on_the_host() -> Iterator[None]:
    """Let PyTorch find no device behind any type of them, and let FSDP take parameters on the meta device."""
    with ExitStack() as stack:
        for place in DEVICE_HANDLES:
            stack.enter_context(replaced(*place, lambda device_type="cuda": _HOST))
        for place in DEVICES_OF_MESHES:  # hooks of backward, where no function mode is active, name it
            stack.enter_context(replaced(*place, _device_of))
        stack.enter_context(replaced(*REFUSES_META, lambda group: None))
        stack.enter_context(replaced(*RESETS_PARAMETER, _reset))
        stack.enter_context(replaced(*PROPAGATES_SIZES, _sizes_apart))
        stack.enter_context(replaced(*PROPAGATES_SHARDING, sharding_by_element))
        stack.enter_context(one_stage())
        yield


def _device_of(mesh: Any) -> torch.device:
    """The device of a mesh: that of parameters that are built without data; the CPU for all others."""
    return META if mesh.device_type != "cpu" and dispatch_modes() else torch.device("cpu")


_reset_parameter = RESETS_PARAMETER.value


def _reset(parameter: Any) -> None:
    """Let FSDP see that a parameter has another dtype since it was sharded, which it does not look for on meta."""
    _reset_parameter(parameter)
    parameter._sharding_spec = parameter.sharded_param._spec


_propagate_sizes = PROPAGATES_SIZES.value


def _sizes_apart(*args: Any, **kwargs: Any) -> Any:
    """What DTensor runs on fake tensors to know a global size is no work of the model: no mode sees it."""
    with without_dispatch_modes():
        return _propagate_sizes(*args, **kwargs)


@contextmanager
def resizes_seen(seen: Callable[[Any], None]) -> Iterator[None]:
    """Call ``seen`` with each storage that is resized inside. FSDP allocates and frees parameters so: no operator is
    called."""
    resize = torch.UntypedStorage.resize_

    def resizing(storage: Any, size: int) -> Any:
        out = resize(storage, size)
        seen(storage)
        return out

    with replaced(torch.UntypedStorage, "resize_", resizing):
        yield
