"""Fused and capturable optimizers on the meta device, which PyTorch's refuse by name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from ..pytorch.replaced import replaced

_ASKS = ("_get_fused_kernels_supported_devices", "_get_capturable_supported_devices")


@contextmanager
def optimizers_on_meta() -> Iterator[None]:
    """Inside, ``torch.optim`` takes ``fused=True`` and ``capturable=True`` for parameters on the meta device."""
    modules = [module for name, module in sys.modules.items() if name.startswith("torch.optim.")]
    with ExitStack() as stack:
        for module in modules:
            for asks in _ASKS:
                if hasattr(module, asks):
                    stack.enter_context(replaced(module, asks, _with_meta(getattr(module, asks))))
        yield


def _with_meta(asks: Callable[..., list[str]]) -> Callable[..., list[str]]:
    return lambda *args, **options: [*asks(*args, **options), "meta"]
