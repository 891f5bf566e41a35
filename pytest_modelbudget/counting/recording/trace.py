"""One pass over a model: every operator it calls is counted, for the module that called it."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.backends import opt_einsum
from torch.nn.modules import module as module_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from ..meta.attention import fused_attention, has_fused_kernel
from ..meta.autocast import around_parts
from ..meta.cache import remembered_whole
from ..meta.execution import MetaExecution, is_foreign
from ..meta.kernels import device_kernels, taken_apart
from ..meta.outputs import BESIDE, NEED_MORE
from ..meta.recurrent import RECURRENT, alive_beside, is_long, steps, takes_steps
from ..meta.transforms import around_transforms, can_be_told
from ..operators.classify import Classification, Kind, classify
from ..operators.count import Count
from ..operators.torchscript import unseen_kernels
from . import course as sizes
from .decomposed import WholeFunctions
from .ledger import Ledger
from .work import Calls


class Tally:
    """The running sums of one module's own operators."""

    __slots__ = ("activations", "calls", "fvcore", "macs", "torch")

    def __init__(self) -> None:
        self.macs = self.fvcore = self.torch = self.activations = self.calls = 0

    def add(self, count: Count) -> None:
        """Add the cost of one operator call."""
        macs, fvcore, torch_, activations = count
        self.macs += macs
        self.fvcore += fvcore
        self.torch += torch_
        self.activations += activations

    def flops(self, convention: str) -> int:
        """FLOPs in the convention named."""
        return self.fvcore if convention == "fvcore" else self.torch


_ATTENTION = torch.ops.aten.scaled_dot_product_attention.default


class _Known(NamedTuple):
    """What is known of an operator: its name and rule, what gives its outputs on meta if that is all there is to
    know, or what gives with them the bytes alive beside, and whether it is attention or, by its name, a recurrent
    layer."""

    operator: Any
    name: str
    rule: Classification
    is_free: bool
    output: Callable[..., Any] | None
    beside: Callable[..., Any] | None
    attention: bool
    recurrent: str

    @classmethod
    def of(cls, operator: Any, execution: MetaExecution | None) -> _Known:
        """Look an operator up, as it is run by ``execution``."""
        recurrent = RECURRENT.get(operator, "")
        rule = classify(operator)
        return cls(
            operator,
            _display(operator),
            rule,
            rule.kind is Kind.FREE,
            None if execution is None or operator in NEED_MORE or recurrent else execution.rule_of(operator),
            None if execution is None else BESIDE.get(operator),
            operator is _ATTENTION,
            recurrent,
        )


class Trace(TorchDispatchMode):
    """A dispatch mode that counts. Use `counting` to run a model under it.

    In inference mode operators arrive as the model calls them (``linear``, ``scaled_dot_product_attention``,
    ``lstm``), before PyTorch chooses a kernel: that is why no kernel can hide work.
    """

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: PyTorch would load its compiler, and pass through it at each operator, to keep it out of here."""
        return False

    def __init__(
        self,
        names: dict[int, tuple[str, ...]],
        execution: MetaExecution | None,
        ledger: Ledger,
        *,
        fused: bool = True,
    ) -> None:
        super().__init__()
        self.tallies: dict[str, Tally] = {"": Tally()}
        self.operators: dict[str, Tally] = {}
        self.backward = Tally()
        self.ledger = ledger
        self.on_meta = execution is not None
        self.fused = fused and self.on_meta
        self.in_steps = self.on_meta and ledger.rules == "cpu"
        self.calls: Calls | None = None  # what each call computes and moves, where somebody asks
        self.uncounted: Counter[str] = Counter()
        self.uncounted_in: dict[str, dict[str, None]] = {}
        self._names = names
        self._execution = execution
        self._known: dict[int, _Known] = {}
        self._stack: list[tuple[str, Any]] = [("", None)]
        self._paused = 0
        self._thread = threading.get_ident()
        self._phase = "forward"
        self._differentiates = False
        self._borders: tuple[list[int], list[str]] = ([0], [""])  # autograd's sequence numbers, and who began there
        self.watch = sizes.current()
        if self.watch is not None:
            self.watch.start()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operator and add what it costs."""
        if types and is_foreign(types):
            return NotImplemented
        kwargs = kwargs or {}
        known = self._known.get(id(func))  # operators live as long as PyTorch does, and are slow to hash
        if known is None:
            known = self._known[id(func)] = _Known.of(func, self._execution)
        rule = known.rule
        if rule.implementation is not None and not self._paused:
            return rule.implementation(*(self._watching(arg) if callable(arg) else arg for arg in args), **kwargs)
        if rule.kind is Kind.COMPOSITE and not self._paused:
            if self._execution is not None:
                args, kwargs = self._execution.prepare(func, args, kwargs)
            with around_parts(), self:
                return func.decompose(*args, **kwargs)
        module = self._stack[-1][0] if self._phase == "forward" else self._module()
        passed = 0
        self._paused += 1  # what runs inside is part of it
        try:
            execution, out = self._execution, NotImplemented
            if known.output is not None and execution is not None:
                out = execution.by_rule(known.output, args, kwargs)
            if out is NotImplemented:
                out, passed = self._run(func, args, kwargs, known)
        finally:
            self._paused -= 1
        self.ledger.saw(out, module)
        if passed:
            self.ledger.passed(passed, module)
        if self._paused:
            return out
        count = None if known.is_free else _count(rule.formula, args, kwargs, out)
        if self.calls is not None:
            self.calls.saw(func, module, args, kwargs, out, count)
        if count is not None:
            self.add(known.name, count, out, module)
            return out
        if not known.is_free:
            self._report(known.name, module)
        if self.watch is not None:
            self.watch.call(module, known.name, None, out)
        return out

    def _run(self, func: Any, args: Any, kwargs: dict[str, Any], known: _Known) -> tuple[Any, int]:
        """Run one operator: its result, and the bytes it had alive beside that, if it is made of others."""
        execution = self._execution
        if self.fused and known.attention and has_fused_kernel(args, kwargs):
            return self._run_fused(func, args, kwargs)
        if execution is not None and known.beside is not None:
            out = execution.by_rule(known.beside, args, kwargs)
            if out is not NotImplemented:
                return out[0], sum(map(self.ledger.rounded, out[1:]))
        if self.in_steps and known.recurrent and takes_steps(args):
            return self._run_recurrent(func, known.recurrent, args, kwargs)
        if not known.rule.decomposes or not _are_plain(args):
            return func(*args, **kwargs) if execution is None else execution.run(func, args, kwargs), 0
        if execution is None:
            return self._inside(taken_apart(func), args, kwargs, mutable=func._schema.is_mutable)
        return execution.run_whole(
            func,
            args,
            kwargs,
            lambda *a, **k: self._inside(taken_apart(func), a, k, mutable=func._schema.is_mutable),
            self.ledger.rules,
        )

    def _run_fused(self, func: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, int]:
        """Run attention by the operator of a fused kernel."""
        if torch.is_grad_enabled():
            return self._inside(fused_attention, args, kwargs)
        run = partial(self._inside, fused_attention, args, kwargs)
        return remembered_whole(func, args, kwargs, run, f"fused {self.ledger.rules}")

    def _run_recurrent(self, func: Any, name: str, args: Any, kwargs: dict[str, Any]) -> tuple[Any, int]:
        """Run a recurrent layer in steps, or, where they are many, as many as tell what all of them have alive."""
        if not is_long(args):
            return self._inside(partial(steps, name), args, kwargs)
        assert self._execution is not None  # steps are for meta
        return self._execution.run(func, args, kwargs), alive_beside(args, partial(self._parts_of_steps, name))

    def _parts_of_steps(self, name: str, args: Any) -> list[int]:
        """What each part of a recurrent layer has alive beside what is left of it."""
        with self.ledger.passing() as passing, _without_gradients(), self:
            out = steps(name, *args, part=self.ledger.part)
        del out  # what is left of it, while that is found out
        return passing

    def _inside(
        self, function: Callable[..., Any], args: Any, kwargs: dict[str, Any], *, mutable: bool = False
    ) -> tuple[Any, int]:
        """Run the parts of an operator, and see what they have alive for a while.

        They are those of a run without this mode, where a view of a weight requires gradients as the weight does:
        ``matmul`` asks. But a tensor that was made in inference mode can be changed in place there only.
        """
        plain = nullcontext() if mutable or torch.is_grad_enabled() else _without_gradients()
        with self.ledger.passing() as passing, plain, around_parts(), self:
            out = function(*args, **kwargs)
        self.ledger.passed(0, "")  # what is left of it may be a peak
        return out, max(passing)

    def _module(self) -> str:
        """The module that is running: the one whose forward it is, or made the node of autograd that is.

        Nodes are numbered in the order they are made, so those of a module are the numbers from where it was
        called to where it returned. What a checkpoint runs again is its module's own forward.
        """
        name: str = self._stack[-1][0]
        if self._phase != "backward" or len(self._stack) > 1:
            return name
        node = torch._C._current_autograd_node()
        if node is None:
            return name
        numbers, names = self._borders
        return names[bisect_right(numbers, node._sequence_nr()) - 1]

    def _border(self) -> None:
        """What autograd records from here on is the work of the module that is running."""
        numbers, names = self._borders
        number = torch._C._autograd._get_sequence_nr()
        name = self._stack[-1][0]
        if numbers[-1] == number:
            names[-1] = name
        else:
            numbers.append(number)
            names.append(name)

    def differentiates(self, grad: bool) -> None:
        """Whether autograd records what runs, so that backward has to find its modules again."""
        self._differentiates = grad

    def phase(self, name: str) -> None:
        """The next part of a training step begins: ``backward``, ``optimizer``."""
        self._phase = name
        self.ledger.phase(name)

    def _watching(self, function: Any) -> Any:
        """A function given to an operator, as one whose own operators are seen."""

        def watched(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return watched

    def add(self, operator: str, count: Count, out: Any, module: str | None = None) -> None:
        """Add one call, which returned ``out``, to its operator and to ``module``, or to the one that is running.

        What backward outputs are gradients: activations are those of the forward pass.
        """
        module = self._module() if module is None else module
        if self._phase != "forward":
            count = count._replace(activations=0)
            if self._phase == "backward":
                self.backward.add(count)
        if self.watch is not None:
            self.watch.call(module, operator, count, out)
        self.tallies[module].add(count)
        tally = self.operators.get(operator)
        if tally is None:
            tally = self.operators[operator] = Tally()
        tally.add(count)
        tally.calls += 1

    def saw_whole(self, operator: str, input: torch.Tensor, out: torch.Tensor) -> None:
        """A function that counts as one operator was called, where calls are recorded."""
        if self.calls is not None:
            self.calls.whole(operator, self._stack[-1][0], input, out)

    def _report(self, operator: str, module: str) -> None:
        self.uncounted[operator] += 1
        self.uncounted_in.setdefault(operator, {})[module] = None

    @property
    def is_paused(self) -> bool:
        """Whether what runs now is part of something that is counted whole."""
        return self._paused > 0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Run operators without counting them: they are parts of one that was counted whole."""
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1

    def enter(self, module: torch.nn.Module, args: Any) -> None:
        """A module is called: what runs from here on is its own."""
        names = self._names.get(id(module))
        if names is None:
            return
        if threading.get_ident() != self._thread:
            self._report("a module called in another thread", names[0])
            return
        inside = self._stack[-1][0]
        name = names[0]
        if len(names) > 1:
            name = next((n for n in names if not inside or n.startswith(inside + ".")), name)
        tally = self.tallies.get(name)
        if tally is None:
            tally = self.tallies[name] = Tally()
        tally.calls += 1
        self._stack.append((name, module))
        if self._differentiates:
            self._border()

    def leave(self, module: torch.nn.Module, args: Any, out: Any) -> None:
        """A module returned, or raised."""
        if id(module) in self._names and threading.get_ident() == self._thread:
            if self._execution is None and out is not None and isinstance(module, torch.jit.ScriptModule):
                for kernel in unseen_kernels():
                    self._report(kernel, self._stack[-1][0])
            while len(self._stack) > 1 and self._stack.pop()[1] is not module:
                pass
            if self._differentiates:
                self._border()


@contextmanager
def _without_gradients() -> Iterator[None]:
    """``torch.no_grad()`` below which views are views, also while an operator is being dispatched."""
    key = torch._C.DispatchKey.ADInplaceOrView
    excluded = torch._C._dispatch_tls_is_dispatch_key_excluded(key)
    with torch._C._InferenceMode(False), torch.no_grad():
        torch._C._dispatch_tls_set_dispatch_key_excluded(key, False)
        try:
            yield
        finally:
            torch._C._dispatch_tls_set_dispatch_key_excluded(key, excluded)


def _are_plain(args: Any) -> bool:
    """Whether all tensors are dense: nested and sparse ones have kernels of their own for composite operators."""
    return all(not isinstance(arg, torch.Tensor) or (arg.layout is torch.strided and not arg.is_nested) for arg in args)


@contextmanager
def counting(trace: Trace, *, grad: bool) -> Iterator[None]:
    """Count everything that runs inside. ``grad`` keeps autograd alive, for models that differentiate in forward."""
    before = module_hooks.register_module_forward_pre_hook(trace.enter)
    after = module_hooks.register_module_forward_hook(trace.leave, always_call=True)
    try:
        trace.differentiates(grad)
        handing_out = trace.watch.handing_out() if trace.watch is not None else nullcontext()
        dissolves = grad or not can_be_told()
        with (
            torch.inference_mode(not grad),
            torch.set_grad_enabled(grad),
            _left_to_right(),
            device_kernels(trace.ledger.rules, fused=trace.fused) if grad and trace.on_meta else nullcontext(),
            WholeFunctions(trace) if dissolves else around_transforms(lambda: WholeFunctions(trace)),
            trace,
            handing_out,
        ):
            yield
    finally:
        before.remove()
        after.remove()


def _left_to_right() -> Any:
    """``einsum`` of three operands and more in the order written, whether or not opt_einsum is installed."""
    return opt_einsum.flags(enabled=False) if opt_einsum.enabled else nullcontext()


def _count(formula: Any, args: Any, kwargs: dict[str, Any], out: Any) -> Count | None:
    if formula is None:
        return None
    try:
        count: Count | None = formula(*args, **{**kwargs, "out": out}) if kwargs else formula(*args, out=out)
    except RuntimeError as error:
        if "NestedTensorImpl" not in str(error):
            raise
        return None  # a nested tensor of the strided layout has no one shape
    return count


def _display(operator: Any) -> str:
    """``linear`` for ATen's own, ``mylib::op`` for others."""
    schema = getattr(operator, "_schema", None)
    name = str(schema.name) if schema is not None else str(operator.name())
    return name.removeprefix("aten::")
