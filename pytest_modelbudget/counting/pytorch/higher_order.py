"""Higher-order operators (``cond``, ``while_loop``, ``flex_attention``) under a dispatch mode, in every release."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from .private import (
    DISPATCH_HIGHER_ORDER,
    MAP,
    MODES_GET_HIGHER_ORDER_OPERATORS,
    TRACE_MAP,
    DispatchKey,
    dispatch_modes,
    without_dispatch_modes,
    without_innermost_dispatch_mode,
)
from .replaced import replaced


@contextmanager
def higher_order_operators_dispatched() -> Iterator[None]:
    """Give higher-order operators to modes that have ``supports_higher_order_operators``, as PyTorch does from 2.9 on.

    Before, it refuses to call them under a mode that they do not know by its class.
    """
    if MODES_GET_HIGHER_ORDER_OPERATORS:
        yield
        return
    dispatch = DISPATCH_HIGHER_ORDER.value

    def dispatching(self: Any, key: Any, /, *args: Any, **kwargs: Any) -> Any:
        modes = dispatch_modes() if key == DispatchKey.Python else ()
        if modes and getattr(modes[-1], "supports_higher_order_operators", False):
            with without_innermost_dispatch_mode() as mode:
                return mode.__torch_dispatch__(self, [], args, kwargs)
        with _map_traced_unseen():
            return dispatch(self, key, *args, **kwargs)

    with replaced(*DISPATCH_HIGHER_ORDER, dispatching):
        yield


def _map_traced_unseen() -> AbstractContextManager[None]:
    """Let no mode see the row that ``map`` runs with autograd on, to see what is called. No model runs it."""
    module = sys.modules.get(MAP)
    trace = getattr(module, TRACE_MAP, None)
    if trace is None:
        return nullcontext()

    def tracing(*args: Any) -> Any:
        with without_dispatch_modes():
            return trace(*args)

    return replaced(module, TRACE_MAP, tracing)
