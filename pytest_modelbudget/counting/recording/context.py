"""The context that a model runs in while it is counted: hooks of its modules, dispatch and function modes, autograd."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch.backends import opt_einsum
from torch.nn.modules import module as module_hooks

from ..meta.kernels import device_kernels
from ..meta.subclasses import constructed_by_parts
from ..meta.transforms import around_transforms, differentiating_transforms
from ..pytorch.higher_order import higher_order_operators_dispatched
from .counting_mode import CountingMode
from .function_mode import WholeFunctionMode
from .outside import OutsideMode
from .size_mode import SizeMode
from .threads import threads_counted


@contextmanager
def counting(mode: CountingMode, *, grad: bool, outside: OutsideMode | None = None) -> Iterator[None]:
    """Count everything that runs inside by ``mode``. ``grad`` turns autograd on, for models that differentiate.

    ``outside`` watches for values that leave PyTorch, where there are values.
    """
    before = module_hooks.register_module_forward_pre_hook(mode.modules.enter)
    after = module_hooks.register_module_forward_hook(mode.modules.leave, always_call=True)
    try:
        mode.modules.differentiates = grad
        recorder, no_inference = mode.recorder, grad or mode.sharded
        with (
            torch.inference_mode(not no_inference),
            torch.set_grad_enabled(grad),
            _left_to_right(),
            higher_order_operators_dispatched(),
            constructed_by_parts(),
            device_kernels(mode.ledger.device_type, fused=mode.fused)
            if no_inference and mode.on_meta
            else nullcontext(),
            nullcontext() if no_inference else differentiating_transforms(),
            WholeFunctionMode(mode) if no_inference else around_transforms(lambda: WholeFunctionMode(mode)),
            mode,
            SizeMode(recorder) if recorder is not None and recorder.sizes else nullcontext(),
            outside.watching() if outside is not None else nullcontext(),
            threads_counted(mode),
        ):
            yield
    finally:
        before.remove()
        after.remove()


def _left_to_right() -> Any:
    """``einsum`` of three operands and more multiplies them in the order written, also if opt_einsum is installed."""
    return opt_einsum.flags(enabled=False) if opt_einsum.enabled else nullcontext()
