"""The dispatch mode that executes operators: on the meta device or for real, with the bytes of their temporaries.

A composite operator that is counted as one runs here as the operators it is made of, if devices run it so: its memory
is that of their temporaries too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch

from ..meta.attention import fused_attention, has_fused_kernel
from ..meta.autocast import autocast_in_mode
from ..meta.cache import cached_with_temporaries
from ..meta.execution import MetaExecution
from ..meta.kernels import decomposed
from ..meta.recurrent import is_dense_call, is_long, run_in_steps, temporaries_of_long
from ..pytorch.private import DispatchKey, InferenceMode, TorchDispatchMode, is_key_excluded, set_key_excluded
from .ledger import Ledger
from .operator_info import OperatorInfo


class ExecutionMode(TorchDispatchMode):
    """Executes operators by ``execution`` on the meta device, or for real if that is ``None``.

    ``fused`` says that attention runs by a fused kernel on the meta device. A subclass dispatches operators to
    `execute`, also those that a composite operator is made of, which arrive while it is executed.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False, so that PyTorch does not import its compiler and pass each operator through it."""
        return False

    def __init__(self, execution: MetaExecution | None, ledger: Ledger, *, fused: bool) -> None:
        super().__init__()
        self.ledger = ledger
        self.on_meta = execution is not None
        self.fused = fused and self.on_meta
        self._execution = execution
        self._runs_steps = self.on_meta and ledger.device_type == "cpu"

    def execute(self, func: Any, args: Any, kwargs: dict[str, Any], info: OperatorInfo) -> tuple[Any, int]:
        """Run one operator. Returns its result, and the bytes of the temporaries that it had alive at its peak."""
        execution = self._execution
        if self.fused and info.is_attention and has_fused_kernel(args, kwargs):
            return self._execute_fused(func, args, kwargs)
        if execution is not None and info.temporaries_rule is not None:
            out = execution.by_rule(info.temporaries_rule, args, kwargs)
            if out is not NotImplemented:
                return out[0], sum(map(self.ledger.rounded, out[1:]))
        if self._runs_steps and info.recurrent and is_dense_call(args):
            return self._execute_recurrent(func, info.recurrent, args, kwargs)
        if not info.classification.decomposes or not _are_strided(args):
            return func(*args, **kwargs) if execution is None else execution.run(func, args, kwargs), 0
        if execution is None:
            return self._execute_parts(decomposed(func), args, kwargs, mutable=func._schema.is_mutable)
        return execution.run_decomposed(
            func,
            args,
            kwargs,
            lambda *a, **k: self._execute_parts(decomposed(func), a, k, mutable=func._schema.is_mutable),
            self.ledger.device_type,
        )

    def _execute_fused(self, func: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, int]:
        """Run attention by the operator of a fused kernel."""
        if torch.is_grad_enabled():
            return self._execute_parts(fused_attention, args, kwargs)
        run = partial(self._execute_parts, fused_attention, args, kwargs)
        return cached_with_temporaries(func, args, kwargs, run, f"fused {self.ledger.device_type}")

    def _execute_recurrent(self, func: Any, name: str, args: Any, kwargs: dict[str, Any]) -> tuple[Any, int]:
        """Run a recurrent layer step by step; of a long one, only the steps that its temporaries follow from."""
        if not is_long(args):
            return self._execute_parts(partial(run_in_steps, name), args, kwargs)
        assert self._execution is not None  # steps run on the meta device only
        return self._execution.run(func, args, kwargs), temporaries_of_long(args, partial(self._of_each_part, name))

    def _of_each_part(self, name: str, args: Any) -> list[int]:
        """The bytes of the temporaries of each part of a recurrent layer."""
        with self.ledger.temporaries() as temporaries, _without_gradients(), autocast_in_mode(), self:
            out = run_in_steps(name, *args, part_ends=self.ledger.end_part)
        del out  # alive until here, as part of what is left of the operator
        return temporaries

    def _execute_parts(
        self, function: Callable[..., Any], args: Any, kwargs: dict[str, Any], *, mutable: bool = False
    ) -> tuple[Any, int]:
        """Run the operators that ``function`` calls, and measure their temporaries.

        PyTorch's choice of operators has to be that of a run without this mode, in which a view of a weight requires
        gradients as the weight does: ``matmul`` asks. So they run outside inference mode. Those of a ``mutable``
        operator do not: a tensor that was made in inference mode can be changed in place only inside of it.
        """
        gradients = nullcontext() if mutable or torch.is_grad_enabled() else _without_gradients()
        with self.ledger.temporaries() as temporaries, gradients, autocast_in_mode(), self:
            out = function(*args, **kwargs)
        self.ledger.add_temporaries(0, "")  # what is alive now may be a peak
        return out, max(temporaries)


@contextmanager
def _without_gradients() -> Iterator[None]:
    """``torch.no_grad()`` outside inference mode, in which views are views also while an operator is dispatched."""
    key = DispatchKey.ADInplaceOrView
    excluded = is_key_excluded(key)
    with InferenceMode(False), torch.no_grad():
        set_key_excluded(key, False)
        try:
            yield
        finally:
            set_key_excluded(key, excluded)


def _are_strided(args: Any) -> bool:
    """Whether all tensors are strided. Nested and sparse ones have kernels of their own for composite operators."""
    return all(not isinstance(arg, torch.Tensor) or (arg.layout is torch.strided and not arg.is_nested) for arg in args)
