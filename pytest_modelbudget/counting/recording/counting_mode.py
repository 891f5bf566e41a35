"""The dispatch mode that counts: every operator that a model calls, for the module that calls it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ...values.communication import Sent
from ..meta.attention import has_fused_kernel
from ..meta.autocast import autocast_in_mode
from ..meta.execution import MetaExecution, has_own_dispatch
from ..operators.count import Count
from ..operators.lengths import UnknownValues
from ..operators.registry import qualified_name
from .calling_line import calling_line
from .course import current_recorder
from .execution_mode import ExecutionMode
from .ledger import Ledger
from .operator_info import OperatorInfo
from .running_modules import RunningModules
from .tally import Tallies
from .work import WorkRecorder

_LIFT = torch.ops.aten.lift_fresh.default


class CountingMode(ExecutionMode):
    """Counts operators into ``tallies``. `counting` runs a model under it.

    In inference mode operators arrive as the model calls them (``linear``, ``scaled_dot_product_attention``,
    ``lstm``), before PyTorch chooses a kernel, so that the count does not depend on the kernel.

    ``names`` has all names of each module by its ``id``. ``work`` records what each call computes and moves; only a
    prediction of time needs that. ``sharded`` models run outside inference mode, in which FSDP and DTensor do not work
    everywhere. ``lock`` lets one thread run an operator at a time; ``closed`` says that the count
    has ended, after which a thread that still runs under the mode runs as if without. ``arrived``, if it is set, is
    called with each tensor that is made of values of NumPy or Python.
    """

    supports_higher_order_operators = True

    def __init__(
        self,
        names: dict[int, tuple[str, ...]],
        execution: MetaExecution | None,
        ledger: Ledger,
        *,
        fused: bool = True,
        work: WorkRecorder | None = None,
        sharded: bool = False,
    ) -> None:
        super().__init__(execution, ledger, fused=fused)
        self.tallies = Tallies()
        self.modules = RunningModules(names, self.tallies, real=execution is None)
        self.work = work
        self.recorder = current_recorder()
        if self.recorder is not None:
            self.recorder.start()
        self._operators: dict[int, OperatorInfo] = {}
        self.sharded = sharded
        self._phase = "forward"
        self._paused = 0  # of the thread that has the lock
        self._settles = False
        self.lock = threading.RLock()
        self.closed = False
        self.arrived: Callable[[torch.Tensor], None] | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operator and add what it costs."""
        if types and has_own_dispatch(types):
            return NotImplemented
        kwargs = kwargs or {}
        info = self._operators.get(id(func))  # operators live as long as PyTorch does, and are slow to hash
        if info is None:
            info = self._operators[id(func)] = OperatorInfo.of(func, self._execution)
        if info.is_composite and not self.is_paused:
            return self._run_composite(func, args, kwargs)
        with self.lock:
            return func(*args, **kwargs) if self.closed else self._run(func, args, kwargs, info)

    def _run(self, func: Any, args: Any, kwargs: dict[str, Any], info: OperatorInfo) -> Any:
        """Run one operator that is counted by itself. One thread at a time does."""
        module = self.modules.innermost() if self._phase == "forward" else self.modules.running(self._phase)
        temporaries = 0
        self._paused += 1  # the operators that it calls are part of it
        try:
            execution, out = self._execution, NotImplemented
            if info.output_rule is not None and execution is not None:
                out = execution.by_rule(info.output_rule, args, kwargs)
            if out is NotImplemented:
                out, temporaries = self.execute(func, args, kwargs, info)
        finally:
            self._paused -= 1
        if self.arrived is not None and func is _LIFT:
            self.arrived(out)
        self.ledger.record(out, module, args if info.may_alias else ())
        if temporaries:
            self.ledger.add_temporaries(temporaries, module)
        if self._paused or self._settles:
            return out
        if info.collective is not None:
            self.tallies.send(module, self._sent(info.collective, args))
        count = None if info.is_free else self._count(func, info.classification.formula, args, kwargs, out)
        if self.work is not None:
            if info.is_attention and self.on_meta and not (self.fused and has_fused_kernel(args, kwargs)):
                self.work.record_unfused_attention(module, args, kwargs, out, count)
            else:
                self.work.record(func, module, args, kwargs, out, count)
        if count is not None:
            count = self.tallies.add(info.name, module, count, self._phase)
        elif not info.is_free:
            self.tallies.report(info.name, module)
        if self._phase == "forward" and not info.may_alias:
            self.tallies.note_call(info.name, module, calling_line() if self.modules.runs_own_code() else None)
        if self.recorder is not None:
            self.recorder.call(module, info.name, count, out)
        return out

    @staticmethod
    def _sent(collective: Any, args: Any) -> Sent:
        from ..sharded.collectives import sent  # it imports DTensor and FSDP

        return sent(collective, args)

    def _count(self, func: Any, formula: Any, args: Any, kwargs: dict[str, Any], out: Any) -> Count | None:
        """What ``formula`` says of a call, or ``None`` if it cannot be counted.

        Raises `NeedsData` if the formula asks for values that another attempt would have.
        """
        if formula is None:
            return None
        try:
            count: Count | None = formula(*args, **{**kwargs, "out": out}) if kwargs else formula(*args, out=out)
        except UnknownValues as unknown:
            execution = self._execution
            if execution is None or (execution.keep_small_data and not unknown.real_run_knows):
                return None
            raise execution.missing.add(qualified_name(func)) from unknown
        except RuntimeError as error:
            if "NestedTensorImpl" not in str(error):
                raise
            return None  # a nested tensor of the strided layout has no single size
        return count

    def _run_composite(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Run an operator that is counted by its parts, which are dispatched to this mode."""
        if self._execution is not None:
            args, kwargs = self._execution.prepare(func, args, kwargs)
        with autocast_in_mode(), self:
            return func.decompose(*args, **kwargs)

    def count_function(self, operator: str, count: Count | None, input: torch.Tensor, out: torch.Tensor) -> None:
        """Add the call of a function that counts as one operator; ``count`` is ``None`` for one that is free."""
        if self._phase == "forward":
            self.tallies.note_call(operator, self.modules.innermost(), None)
        if self.work is not None:
            self.work.record_function(operator, self.modules.innermost(), input, out)
        if count is None:
            return
        module = self.modules.running(self._phase)
        count = self.tallies.add(operator, module, count, self._phase)
        if self.recorder is not None:
            self.recorder.call(module, operator, count, out)

    def phase(self, name: str) -> None:
        """Begin the next phase of a training step, or go on with it: ``forward``, ``backward``, ``optimizer``."""
        self._phase = name
        self.modules.recomputes = name == "backward"
        self.ledger.phase(name)

    @contextmanager
    def in_phase(self, name: str) -> Iterator[None]:
        """Run what is inside in a phase, and go on with the phase before."""
        before = self._phase
        self.phase(name)
        try:
            yield
        finally:
            self.phase(before)

    @contextmanager
    def repeated(self, times: int) -> Iterator[None]:
        """Count what runs inside as often as that."""
        sums = [one for one in (self.tallies, self.work) if one is not None]
        for one in sums:
            one.times = times
        try:
            yield
        finally:
            for one in sums:
                one.times = 1

    @contextmanager
    def settling(self) -> Iterator[None]:
        """Run a step of which only what it leaves alive matters: nothing else is counted."""
        self._settles = True
        try:
            yield
        finally:
            self._settles = False

    def needs_data(self, operator: str) -> None:
        """Say that an operator asks for data. Raises `NeedsData` where there is none."""
        if self._execution is not None:
            raise self._execution.missing.add(operator)

    def start_again(self) -> None:
        """Forget what was counted, and begin with the forward of a step that finds what the one before left."""
        self.tallies.clear()
        if self.work is not None:
            self.work.clear()
        if self.recorder is not None:
            self.recorder.start()
        self._phase = "forward"
        self.ledger.start_again()

    @property
    def is_paused(self) -> bool:
        """Whether what this thread runs now is part of something that is counted as one."""
        return self._paused > 0 and self.lock._is_owned()  # type: ignore[attr-defined]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Run operators without counting them: they are part of something that is counted as one."""
        with self.lock:
            self._paused += 1
            try:
                yield
            finally:
                self._paused -= 1
