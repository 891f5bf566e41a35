"""The bytes alive in a real run on the CPU, by a plain tracker that knows nothing of the package."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from releases import has
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode, is_traceable_wrapper_subclass
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Adds up the storages that operators make, and takes them off when they go."""

    def __init__(self, *held: torch.Tensor) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: dict[int, Any] = {}
        for tensor in held:
            self._see(tensor)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for item in out if isinstance(out, (list, tuple)) else [out]:
            if isinstance(item, torch.Tensor):
                self._see(item)
        return out

    def _see(self, tensor: torch.Tensor) -> None:
        if tensor.layout is torch.sparse_coo:
            self._see(tensor._indices())
            self._see(tensor._values())
            return
        if is_traceable_wrapper_subclass(tensor):
            for name in tensor.__tensor_flatten__()[0]:
                inner = getattr(tensor, name)
                if isinstance(inner, torch.Tensor):
                    self._see(inner)
            return
        self._add(tensor.untyped_storage())

    def resized(self, storage: Any) -> None:
        """A storage has another size than it had."""
        known = self._known.pop(storage._cdata, None)
        if known is not None:
            self.live -= known.size
        self._add(storage)

    def _add(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self.live += size
        self.peak = max(self.peak, self.live)

        def gone(reference: Any) -> None:
            if self._known.get(key) is reference:
                self.live -= size
                del self._known[key]

        self._known[key] = _Known(storage, gone)
        self._known[key].size = size


class _Known(weakref.ref[Any]):
    """A storage that is alive, and the bytes it was added with."""

    __slots__ = ("size",)

    size: int


_TF32: dict[str, Any] = {"allow_tf32": None} if has("torch.backends.mkldnn.allow_tf32") else {}
"""Leave alone what says whether oneDNN rounds, in releases that ask for it."""


@contextmanager
def as_written() -> Iterator[None]:
    """No fused kernel hides what it has alive: attention as mathematics, recurrent layers in steps, no fast path.

    Cycles are collected by nobody, so that when a storage goes depends on the run alone.
    """
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    gc.collect()
    gc.disable()
    try:
        with sdpa_kernel(SDPBackend.MATH), torch.backends.mkldnn.flags(enabled=False, **_TF32):
            yield
    finally:
        gc.enable()
        torch.backends.mha.set_fastpath_enabled(fast_path)


def summed(output: Any) -> torch.Tensor:
    """The sum of everything in an output that can be differentiated."""
    parts = [t.sum() for t in tree_leaves(dict(output) if hasattr(output, "keys") else output) if t.requires_grad]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def inference_peak(model: torch.nn.Module, *inputs: Any, **keywords: Any) -> int:
    """The peak of a forward pass in eval mode."""
    model.eval()
    tensors = [t for t in (*inputs, *keywords.values()) if isinstance(t, torch.Tensor)]
    with as_written(), torch.no_grad(), LiveBytes(*model.parameters(), *model.buffers(), *tensors) as mode:
        model(*inputs, **keywords)
    return mode.peak


def training_peak(
    model: torch.nn.Module, optimizer: Any, *inputs: Any, loss: Callable[[Any], torch.Tensor], **keywords: Any
) -> int:
    """The peak of the second of two training steps: by then the optimizer has its state."""
    model.train()
    tensors = [t for t in (*inputs, *keywords.values()) if isinstance(t, torch.Tensor)]
    with as_written(), LiveBytes(*model.parameters(), *model.buffers(), *tensors) as mode:
        for _ in range(2):
            optimizer.zero_grad()
            mode.peak = mode.live
            loss(model(*inputs, **keywords)).backward()
            optimizer.step()
    return mode.peak
