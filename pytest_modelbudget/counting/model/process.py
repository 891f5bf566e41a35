"""Borrowing the process: what is global to it is set for a count, and restored after."""

from __future__ import annotations

import gc
import random
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from ..meta.layout import META
from ..pytorch.default_device import default_device, restore_default_device
from ..pytorch.private import optimized_scripts
from ..pytorch.replaced import replaced

_COUNTING = threading.RLock()


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let one thread count, the others wait: what a count sets is the process's.

    The thread that counts may count again inside, as a factory does that measures.
    """
    with _COUNTING:
        yield


@contextmanager
def undisturbed_process() -> Iterator[None]:
    """Restore the random number generators, the default dtype and device, and the attention fast path, which is off."""
    numpy = sys.modules.get("numpy")
    states = (random.getstate(), torch.get_rng_state(), numpy.random.get_state() if numpy else None)
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    dtype, device = torch.get_default_dtype(), default_device()
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        if torch.get_default_dtype() != dtype:
            torch.set_default_dtype(dtype)
        restore_default_device(device)
        random.setstate(states[0])
        torch.set_rng_state(states[1])
        if numpy:
            numpy.random.set_state(states[2])
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


def _is_here(device: torch.device) -> bool:
    """Whether a tensor can be made on a device."""
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError, NotImplementedError):
        return False
    return True


@contextmanager
def default_contexts() -> Iterator[None]:
    """Leave the contexts that a count may be called in: inference mode, autocast, ``torch.device("meta")``.

    So is a default device that this machine does not have.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if default_device() == META or not _is_here(default_device()):
            stack.enter_context(torch.device("cpu"))
        yield


def seed() -> None:
    """Seed the random number generators. CUDA's only if it is initialised: else the seed would wait for that."""
    random.seed(0)
    torch.default_generator.manual_seed(0)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(0)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(0)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Turn Python's cycle collector off: when it runs depends on everything that the process did before."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def without_compiler() -> Iterator[None]:
    """Run as they are written functions that are compiled or scripted, and those that a forward pass traces.

    PyTorch's compiler is not imported where nobody did so before. Its tracer cannot see operators that are counted.
    TorchScript's executor would rewrite a function after its first call, by what it was called with.
    """
    with ExitStack() as stack:
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(optimized_scripts(False))
        stack.enter_context(replaced(torch.jit, "trace", lambda function, *args, **options: function))
        yield
