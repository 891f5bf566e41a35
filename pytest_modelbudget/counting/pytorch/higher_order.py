"""Higher-order operators (``cond``, ``while_loop``, ``flex_attention``) under a dispatch mode, in every release."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .control_flow import as_python, control_flow_uncompiled, differentiated
from .private import (
    AUTOCAST_KEY,
    DISPATCH_HIGHER_ORDER,
    MODES_GET_HIGHER_ORDER_OPERATORS,
    DispatchKey,
    dispatch_modes,
    to_functionality_key,
    without_innermost_dispatch_mode,
)
from .replaced import replaced


@contextmanager
def higher_order_operators_dispatched() -> Iterator[None]:
    """Run operators of control flow as the Python that they stand for, under modes, autograd and autocast.

    And give other higher-order operators to modes that have ``supports_higher_order_operators``, as PyTorch does from
    2.9 on. Before, it refuses to call them under a mode that they do not know by its class.
    """
    dispatch = DISPATCH_HIGHER_ORDER.value

    def dispatching(self: Any, key: Any, /, *args: Any, **kwargs: Any) -> Any:
        kind = to_functionality_key(key)
        modes = dispatch_modes() if kind in _SEEN else ()
        innermost = modes[-1] if modes else None
        if kind not in _SEEN or type(innermost) in self.python_key_table:  # PyTorch's own modes trace
            return dispatch(self, key, *args, **kwargs)
        run = as_python(self)
        if run is not None and (innermost is not None or kind != DispatchKey.Python):
            return differentiated(self, run, *args, **kwargs)
        if (
            not MODES_GET_HIGHER_ORDER_OPERATORS
            and kind == DispatchKey.Python
            and getattr(innermost, "supports_higher_order_operators", False)
        ):
            with without_innermost_dispatch_mode() as mode:
                return mode.__torch_dispatch__(self, [], args, kwargs)
        return dispatch(self, key, *args, **kwargs)

    with replaced(*DISPATCH_HIGHER_ORDER, dispatching), control_flow_uncompiled():
        yield


_SEEN = (AUTOCAST_KEY, DispatchKey.AutogradFunctionality, DispatchKey.Python)
"""Where autocast, autograd and modes get an operator. What goes to others first, such as ``vmap``, comes here after."""
