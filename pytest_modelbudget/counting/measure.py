"""The measurement itself: a model or factory and an operating point in, a `Cost` out."""

from __future__ import annotations

import linecache
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..errors import BudgetError, ModelError, TargetError
from ..values.arguments import Arguments, explicit
from ..values.cost import Cost
from ..values.devices import Device
from ..values.peak import Measured
from ..values.point import OperatingPoint, operating_point
from ..values.request import Request
from ..values.throughput import Throughput, predict
from .fvcore import fvcore_cost
from .meta.attention import attention_kernels
from .meta.autocast import autocast
from .meta.execution import MetaExecution, NeedsData, is_missing_data
from .meta.flex import flex_attention_as_operator
from .meta.optimizers import fused_optimizers_on_meta
from .model.borrow import (
    borrowed,
    copied,
    kept,
    modules_of,
    moved,
    on_meta,
    original_of,
    same_everywhere,
    scripted_copy,
    seed,
    set_mode,
    undisturbed_process,
    weights_of,
)
from .model.build import Prebuilt, build, call_on_meta
from .model.inputs import Inputs, describe
from .model.tree import ModuleTree, traced_cost
from .real_run import device_at_hand, time_and_peak
from .recording.ledger import Ledger, no_collection
from .recording.trace import Trace, counting
from .recording.training import Training, tensors_in
from .recording.work import Calls

if TYPE_CHECKING:
    from typing_extensions import Unpack

Target = torch.nn.Module | Callable[..., torch.nn.Module] | Prebuilt


@explicit(Arguments)
def measure(model: Target, **arguments: Unpack[Arguments]) -> Cost:
    """Measure what ``model`` costs at an operating point, without computing anything.

    ``model`` is an ``nn.Module``, which is left exactly as it was, or a factory, which is called under the meta
    device so that weights take neither memory nor time. ``batch`` and ``res`` (pixels, or (height, width)) make one
    float image tensor, ``batch`` and ``seq`` one int64 tensor of token ids, ``inputs`` anything else.
    ``convention`` is ``"fvcore"`` (1 FLOP a multiply-add, norms included) or ``"torch"`` (2, nothing else).
    ``mode="train"`` is a training step: forward, a loss (the model's own, ``loss``, or the sum of its outputs),
    backward, and the step of ``optimizer``. ``amp`` is autocast, ``attention="math"`` keeps the score matrix in memory,
    ``device`` says whose memory rules hold and, if it names a card, predicts the time of a step. ``measured`` also
    runs the step for real, on the device at hand.
    ``counter="fvcore"`` counts with ``fvcore.nn.FlopCountAnalysis`` instead of the operators' own formulas.
    ``device="T4"`` also predicts the time of a step on that card, which is an estimate: `Cost.throughput`.

    Raises `UsageError` for arguments that cannot be meant, `TargetError` when the factory fails,
    `ModelError` when the model's own code raises.
    """
    return count(model, Request.of(**arguments))


def count(model: Target, request: Request) -> Cost:
    """Measure what was checked already, as `measure` does. Raises as `measure` does."""
    training = Training.of(request.point, request.optimizer, request.loss)
    with undisturbed_process(), same_everywhere(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*copying from a non-meta parameter.*")
        measurement = _Measurement(
            model, request.point, request.inputs, request.convention, request.counter, training, request.card
        )
        cost = measurement.cost()
        return replace(cost, measured=measurement.for_real()) if request.measured else cost


def attempt(
    model: Target,
    *,
    real: bool,
    grad: bool,
    inputs: Any = None,
    convention: str = "fvcore",
    loss: Any = None,
    **point: Any,
) -> Cost:
    """One attempt of `measure` with the choices made by the caller: on meta or for real, with autograd or without.

    All four give the same counts wherever they work; that they do is what this is for. Raises like `measure`, and
    what `measure` would take as a reason for its next attempt.
    """
    with undisturbed_process(), same_everywhere():
        at = operating_point(**point)
        measurement = _Measurement(model, at, inputs, convention, "aten", Training.of(at, point.get("optimizer"), loss))
        return measurement.run_once(real=real, grad=grad)


class _Measurement:
    """The attempts of one measurement: on meta, then with autograd on, then with small values, then for real."""

    def __init__(
        self,
        target: Any,
        point: OperatingPoint,
        inputs: Any,
        convention: str,
        counter: str,
        training: Training | None,
        device: Device | None = None,
    ) -> None:
        self._target = target
        self._training = training
        self._point = point
        self._inputs = inputs
        self._convention = convention
        self._counter = counter
        self._device = device
        self._notes: list[str] = []

    def cost(self) -> Cost:
        if self._counter == "fvcore":
            return self._real_run(grad=False)
        model, built = self._model(real=False)
        grad, values = self._training is not None, False
        reads = ""
        while True:
            kept = [f"{reads}: token ids, masks and other small constants kept theirs."] if values else []
            try:
                return self._run(model, built, real=False, grad=grad, values=values, also=kept)
            except _NeedsGrad:
                grad = True
                self._notes.append(_DIFFERENTIATES)
            except _NeedsRealRun as need:
                if values:
                    break
                values, reads = True, str(need)
            except ModelError:
                if not values:
                    raise
                break  # perhaps for what was kept real beside what is on meta: a real run will tell
        self._notes.append(f"{reads}: run for real on seeded inputs.")
        return self._real_run(grad=grad)

    def for_real(self) -> Measured:
        """The same step run for real: its peak and its time."""
        model, _ = self._model(real=True)
        device = device_at_hand()
        dtype = getattr(torch, self._point.dtype) if self._point.dtype else None
        inputs = Inputs(self._inputs, self._point, dtype or _floating_dtype(model), cast=dtype is not None)
        before = torch.cuda.memory_allocated() if device.type == "cuda" else 0
        with borrowed(model, moved(dtype, device)), no_collection():
            model.train(self._training is not None)
            arguments, keywords = inputs.real(device)
            optimizer = self._training.optimizer(model) if self._training is not None else None

            def step() -> None:
                with attention_kernels(self._point.attention, real=True), flex_attention_as_operator(real=True):
                    if self._training is not None:
                        self._training.plain_step(model, arguments, keywords, optimizer, precision)
                    else:
                        with torch.no_grad(), precision():
                            model(*arguments, **keywords)

            precision = self._precision(real=True, device=device.type)
            given = describe(arguments, keywords)

            def held() -> Iterator[torch.Tensor]:
                yield from (*model.parameters(), *model.buffers(), *tensors_in((arguments, keywords)))
                if optimizer is not None:
                    yield from tensors_in(optimizer.state)

            with self._blaming(model, None, given):
                return time_and_peak(step, device, held(), before, rules=self._point.rules)

    def run_once(self, *, real: bool, grad: bool) -> Cost:
        model, built = self._model(real=real)
        return self._run(model, built, real=real, grad=grad)

    def _real_run(self, *, grad: bool) -> Cost:
        model, built = self._model(real=True)
        try:
            return self._run(model, built, real=True, grad=grad)
        except _NeedsGrad:
            self._notes.append(_DIFFERENTIATES)
            return self._run(model, built, real=True, grad=True)

    def _model(self, *, real: bool) -> tuple[torch.nn.Module, bool]:
        """The model, and whether it was built here and so need not be given back as it was."""
        seed()
        if isinstance(self._target, torch.nn.Module):
            return self._original(self._target), False
        if isinstance(self._target, Prebuilt):
            if not real:
                return self._original(self._target.model), False
            return self._original(build(self._target.again, self._point, real=True).model), True
        if not callable(self._target):
            raise TargetError(f"{self._target!r} is neither an nn.Module nor a factory that returns one.")
        return self._original(build(self._target, self._point, real=real).model), True

    def _original(self, model: torch.nn.Module) -> torch.nn.Module:
        original = original_of(model)
        modules = modules_of(model)
        compiled = any(original_of(m) is not m or getattr(m, "_compiled_call_impl", None) for m in modules)
        note = "torch.compile: the original module was counted, not what the compiler makes of it."
        if compiled and note not in self._notes:
            self._notes.append(note)
        return scripted_copy(original) if isinstance(original, torch.jit.ScriptModule) else original

    def _run(
        self,
        model: torch.nn.Module,
        built: bool,
        *,
        real: bool,
        grad: bool,
        values: bool = False,
        also: Sequence[str] = (),
    ) -> Cost:
        dtype = getattr(torch, self._point.dtype) if self._point.dtype else None
        inputs = Inputs(self._inputs, self._point, dtype or _floating_dtype(model), cast=dtype is not None)
        device = _device(model)
        keep = built and real and dtype is None and not any(p.is_meta for p in model.parameters())
        replace = kept if keep else copied(dtype)
        if not real:
            replace = on_meta(dtype, grad=grad, keep=built, changed=self._training is not None)
        with borrowed(model, replace), no_collection(), nullcontext() if real else fused_optimizers_on_meta():
            modules = modules_of(model)
            set_mode(model, modules, training=self._training is not None)
            arguments, keywords = inputs.real(device) if real else _inputs_on_meta(inputs, values=values)
            given = describe(arguments, keywords)
            if self._counter == "fvcore":
                with self._blaming(model, None, given):
                    return fvcore_cost(model, arguments, keywords, self._point, tuple(self._notes))
            tree = ModuleTree.of(model)
            execution = None if real else MetaExecution(values=values)
            ledger = Ledger(self._point.rules, on_meta=not real)
            ledger.hold(weights_of(model, modules), "weights")
            ledger.hold(tensors_in((arguments, keywords)), "inputs")
            trace = Trace(tree.names, execution, ledger, fused=self._point.attention != "math")
            trace.calls = Calls() if self._device is not None else None
            optimizer = self._training.optimizer(model) if self._training is not None else None
            if optimizer is not None:  # some have a state before their first step
                ledger.hold(tensors_in(optimizer.state), "optimizer")
            with (
                self._blaming(model, execution, given, grad=grad),
                attention_kernels(self._point.attention, real=real),
                counting(trace, grad=grad),
                eager(),
                flex_attention_as_operator(real=real),
            ):
                if self._training is not None:
                    precisions = self._precision(real), self._precision(real, again=True)
                    peak = self._training.step(model, arguments, keywords, trace, optimizer, *precisions)
                else:
                    with self._precision(real)():
                        model(*arguments, **keywords)
                    peak = ledger.peak(("forward",))
            if execution is not None and execution.needed:
                raise _NeedsRealRun(execution.needed[0])
            return traced_cost(
                tree,
                trace,
                peak,
                point=self._point,
                convention=self._convention,
                inputs=given,
                executed="real" if real else "meta",
                notes=(*self._notes, *also),
                throughput=self._throughput(trace),
            )

    def _precision(
        self, real: bool, device: str = "cpu", *, again: bool = False
    ) -> Callable[[], AbstractContextManager[Any]]:
        """The autocast that forward runs in, if any: PyTorch's own where there is data, ours on meta.

        ``again`` is for what a checkpoint runs again in backward, for which PyTorch's own sees to itself.
        """
        if self._point.amp is None or (real and again):
            return nullcontext
        dtype = getattr(torch, self._point.amp)
        if real:
            return partial(torch.autocast, device, dtype=dtype)
        return partial(autocast, dtype, self._point.rules, again=again)

    def _throughput(self, trace: Trace) -> Throughput | None:
        """The predicted time of what ran, where a named device was asked for."""
        if self._device is None or trace.calls is None:
            return None
        return predict(trace.calls.work(), self._device, self._point.batch)

    @contextmanager
    def _blaming(
        self, model: torch.nn.Module, execution: MetaExecution | None, given: str, *, grad: bool = True
    ) -> Iterator[None]:
        """Tell the model's own errors from those that only say that there is no data, or no autograd."""
        try:
            yield
        except BudgetError:
            raise
        except Exception as error:
            if execution is not None and execution.needed:
                raise _NeedsRealRun(execution.needed[0]) from error
            if execution is not None and (isinstance(error, NeedsData) or is_missing_data(error)):
                raise _NeedsRealRun(str(error).splitlines()[0]) from error
            if not grad and _wants_grad(error):
                raise _NeedsGrad from error
            raise ModelError(_blame(error, model, given, self._point, self._counter)) from error


_DIFFERENTIATES = "The model differentiates in its forward pass: it was counted with autograd on."


class _NeedsRealRun(Exception):
    """The meta device cannot answer: the model reads values."""

    def __str__(self) -> str:
        return f"The model reads values that the meta device does not have ({self.args[0]})"


class _NeedsGrad(Exception):
    """Inference mode cannot answer: the model differentiates in forward."""


def _wants_grad(error: Exception) -> bool:
    text = str(error)
    return isinstance(error, RuntimeError) and any(
        sign in text for sign in ("does not require grad", "requires_grad", "nference tensor", "grad_fn")
    )


def _inputs_on_meta(inputs: Inputs, *, values: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if values:
        return inputs.on_meta_with_values()
    result = call_on_meta(inputs.on_meta)
    if result.error is None:
        value: tuple[tuple[Any, ...], dict[str, Any]] = result.value
        return value
    return inputs.on_meta()


def _floating_dtype(model: torch.nn.Module) -> torch.dtype:
    """The dtype a model's float inputs are made in: that of its first floating parameter."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.get_default_dtype())


def _device(model: torch.nn.Module) -> torch.device:
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    return torch.device("cpu") if device.type == "meta" else device


@contextmanager
def eager() -> Iterator[None]:
    """Run compiled functions as they were written. Importing torch's compiler is left to those who use it."""
    import sys

    if "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance"):
        with torch.compiler.set_stance("force_eager"):
            yield
    else:
        yield


_OURS = str(Path(__file__).parent)
_TORCH = str(Path(torch.__file__).parent)


def _blame(error: Exception, model: torch.nn.Module, given: str, point: OperatingPoint, counter: str) -> str:
    """What the model raised, in which module and on which of its own lines, and what was being measured."""
    names = {id(module): name for name, module in model.named_modules()}
    module, lines = "", []
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = names.get(id(frame.f_locals.get("self")))
        if name:
            module = f" in module {name!r} ({type(frame.f_locals['self']).__name__})"
        file = frame.f_code.co_filename
        if not file.startswith((_OURS, _TORCH, "<")):
            lines.append(f"\n    {file}:{line}: in {frame.f_code.co_name}: {linecache.getline(file, line).strip()}")
    what = f"{type(error).__name__}{module}: {error}{''.join(lines[-3:])}"
    if counter == "fvcore":
        return (
            f"Tracing the model for fvcore raised {what}"
            f"\nIt was traced at {point}; forward was given: {given}. Without counter='fvcore' it need not be traced."
        )
    return f"The model raised {what}\nThis is the model's own error, at {point}; forward was given: {given}."
