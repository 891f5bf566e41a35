"""One pass over a model: every operator it calls is counted, for the module that called it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch.backends import opt_einsum
from torch.nn.modules import module as module_hooks
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from .execution import MetaExecution, is_foreign
from .operators.classify import Kind, Rule, classify
from .operators.count import Count
from .operators.normalisation import adaptive_avg_pool_flop, instance_norm_call
from .operators.scripts import unseen_kernels
from .transforms import around_transforms, can_be_told


class Tally:
    """The running sums of one module's own operators."""

    __slots__ = ("activations", "calls", "fvcore", "macs", "torch")

    def __init__(self) -> None:
        self.macs = self.fvcore = self.torch = self.activations = self.calls = 0

    def add(self, count: Count) -> None:
        """Add the cost of one operator call."""
        self.macs += count.macs
        self.fvcore += count.fvcore
        self.torch += count.torch
        self.activations += count.activations

    def flops(self, convention: str) -> int:
        """FLOPs in the convention named."""
        return self.fvcore if convention == "fvcore" else self.torch


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

    def __init__(self, names: dict[int, tuple[str, ...]], execution: MetaExecution | None) -> None:
        super().__init__()
        self.tallies: dict[str, Tally] = {"": Tally()}
        self.operators: dict[str, Tally] = {}
        self.uncounted: Counter[str] = Counter()
        self.uncounted_in: dict[str, dict[str, None]] = {}
        self._names = names
        self._execution = execution
        self._rules: dict[Any, Rule] = {}
        self._stack: list[tuple[str, Any]] = [("", None)]
        self._paused = 0
        self._thread = threading.get_ident()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operator and add what it costs."""
        if types and is_foreign(types):
            return NotImplemented
        kwargs = kwargs or {}
        rule = self._rules.get(func)
        if rule is None:
            rule = self._rules[func] = classify(func)
        if rule.calls is not None and not self._paused:
            return rule.calls(*(self._watching(arg) if callable(arg) else arg for arg in args), **kwargs)
        if rule.kind is Kind.COMPOSITE and not self._paused:
            if self._execution is not None:
                args, kwargs = self._execution.prepare(func, args, kwargs)
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        self._paused += 1  # what runs inside is part of it
        try:
            out = func(*args, **kwargs) if self._execution is None else self._execution.run(func, args, kwargs)
        finally:
            self._paused -= 1
        if self._paused or rule.kind is Kind.FREE:
            return out
        count = _count(rule.formula, args, kwargs, out)
        if count is None:
            self._report(_display(func), self._stack[-1][0])
        else:
            self.add(_display(func), count)
        return out

    def _watching(self, function: Any) -> Any:
        """A function given to an operator, as one whose own operators are seen."""

        def watched(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return watched

    def add(self, operator: str, count: Count) -> None:
        """Add one call to the module that is running and to its operator."""
        self.tallies[self._stack[-1][0]].add(count)
        tally = self.operators.get(operator)
        if tally is None:
            tally = self.operators[operator] = Tally()
        tally.add(count)
        tally.calls += 1

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

    def leave(self, module: torch.nn.Module, args: Any, out: Any) -> None:
        """A module returned, or raised."""
        if id(module) in self._names and threading.get_ident() == self._thread:
            if self._execution is None and out is not None and isinstance(module, torch.jit.ScriptModule):
                for kernel in unseen_kernels():
                    self._report(kernel, self._stack[-1][0])
            while len(self._stack) > 1 and self._stack.pop()[1] is not module:
                pass


class _Whole(TorchFunctionMode):
    """Counts the functions that autograd (or ``torch.func``) dissolves into operators that cost something else.

    ``adaptive_avg_pool2d(x, 1)`` becomes a mean, which is free, ``adaptive_avg_pool1d`` a 2-D pooling, which is not,
    and ``instance_norm`` a batch norm. A Python function is seen instead of the built-in one that it calls.
    """

    _FUNCTIONS: ClassVar = {
        F.adaptive_avg_pool2d: "adaptive_avg_pool2d",
        torch._C._nn.adaptive_avg_pool2d: "adaptive_avg_pool2d",
        torch.ops.aten.adaptive_avg_pool2d: "adaptive_avg_pool2d",
        torch.ops.aten.adaptive_avg_pool2d.default: "adaptive_avg_pool2d",
        torch.adaptive_avg_pool1d: "adaptive_avg_pool1d",
        torch.ops.aten.adaptive_avg_pool1d: "adaptive_avg_pool1d",
        torch.ops.aten.adaptive_avg_pool1d.default: "adaptive_avg_pool1d",
        F.instance_norm: "instance_norm",
        torch.instance_norm: "instance_norm",
        torch.ops.aten.instance_norm: "instance_norm",
        torch.ops.aten.instance_norm.default: "instance_norm",
    }

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self._trace = trace

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one function; those named above count as one operator."""
        kwargs = kwargs or {}
        name = _area_pooling(*args, **kwargs) if func is F.interpolate else self._FUNCTIONS.get(func)
        if name is None or self._trace.is_paused:
            return func(*args, **kwargs)
        with self._trace.paused():
            out = func(*args, **kwargs)
        input = _unwrapped(args[0] if args else kwargs.get("input", kwargs.get("self")))
        if name == "adaptive_avg_pool2d":
            self._trace.add(name, adaptive_avg_pool_flop(input, None, out=out))
        elif name == "instance_norm":
            weight = args[1] if len(args) > 1 else kwargs.get("weight")  # F.instance_norm passes it by name
            self._trace.add(name, instance_norm_call(input, weight, out=out))
        return out


def _unwrapped(tensor: Any) -> Any:
    """The whole tensor inside ``torch.func.vmap``, where functions see one sample."""
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return tensor


def _area_pooling(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", *rest: Any, **options: Any
) -> str | None:
    """The pooling that ``F.interpolate`` is when its mode is ``area``."""
    return f"adaptive_avg_pool{input.dim() - 2}d" if mode == "area" else None


@contextmanager
def counting(trace: Trace, *, grad: bool) -> Iterator[None]:
    """Count everything that runs inside. ``grad`` keeps autograd alive, for models that differentiate in forward."""
    before = module_hooks.register_module_forward_pre_hook(trace.enter)
    after = module_hooks.register_module_forward_hook(trace.leave, always_call=True)
    try:
        with torch.inference_mode(not grad), torch.set_grad_enabled(grad), _left_to_right():
            dissolves = grad or not can_be_told()
            with _Whole(trace) if dissolves else around_transforms(lambda: _Whole(trace)), trace:
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
        count: Count | None = formula(*args, **{**kwargs, "out": out})
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
