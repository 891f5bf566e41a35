"""Fused optimizers on the meta device, which PyTorch's refuse by name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_ASKS = "_get_fused_kernels_supported_devices"


@contextmanager
def fused_optimizers_on_meta() -> Iterator[None]:
    """Inside, ``torch.optim`` takes ``fused=True`` for parameters on the meta device."""
    places = [m for name, m in sys.modules.items() if name.startswith("torch.optim.") and hasattr(m, _ASKS)]
    before = [getattr(module, _ASKS) for module in places]
    for module, asks in zip(places, before, strict=True):
        setattr(module, _ASKS, _with_meta(asks))
    try:
        yield
    finally:
        for module, asks in zip(places, before, strict=True):
            setattr(module, _ASKS, asks)


def _with_meta(asks: Callable[[], list[str]]) -> Callable[[], list[str]]:
    return lambda: [*asks(), "meta"]
