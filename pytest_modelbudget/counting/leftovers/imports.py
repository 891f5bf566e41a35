"""Modules that are imported for the first time during a count run as if there were none: what they make is theirs."""

from __future__ import annotations

import importlib._bootstrap
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch

from ..pytorch.private import (
    JAGGED_DUMMY,
    count_function_modes,
    pop_function_mode_to_keep,
    push_kept_function_mode,
    without_dispatch_modes,
)
from ..pytorch.replaced import replaced

_FIND = "_find_and_load"  # what the import statement and import_module call for a module that is not in sys.modules


@contextmanager
def undisturbed_imports(
    importing: Callable[[], AbstractContextManager[None]], loaded: Callable[[list[str]], None]
) -> Iterator[None]:
    """Run the code of modules that are imported inside without the modes, autocast and gradient mode of the count.

    An import runs in the context ``importing``. ``loaded`` is then called with the names of the modules that it loaded.
    So runs what makes the tensor that PyTorch keeps from the first jagged tensor of the process on.
    """
    bootstrap: Any = importlib._bootstrap
    original, make_dummy = getattr(bootstrap, _FIND), JAGGED_DUMMY.value
    depth = 0

    def find_and_load(*args: Any, **kwargs: Any) -> Any:
        nonlocal depth
        if depth:
            return original(*args, **kwargs)
        before = set(sys.modules)
        depth += 1
        try:
            with importing(), _outside():
                return original(*args, **kwargs)
        finally:
            depth -= 1
            loaded([name for name in list(sys.modules) if name not in before])

    def jagged_dummy() -> Any:
        with importing(), _outside():
            return make_dummy()

    with replaced(bootstrap, _FIND, find_and_load), replaced(JAGGED_DUMMY.owner, JAGGED_DUMMY.name, jagged_dummy):
        yield


@contextmanager
def _outside() -> Iterator[None]:
    """No dispatch and function modes, no inference mode, no autocast, gradients on."""
    modes = []
    with ExitStack() as stack:
        stack.enter_context(without_dispatch_modes())
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        while count_function_modes():
            modes.append(pop_function_mode_to_keep())
        try:
            yield
        finally:
            for mode in reversed(modes):
                push_kept_function_mode(mode)
