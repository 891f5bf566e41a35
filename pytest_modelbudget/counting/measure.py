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
from typing import Any

import torch

from ..errors import BudgetError, ModelError, TargetError, UsageError, nearest
from ..values.cost import CONVENTIONS, Cost
from ..values.devices import Device, find_device
from ..values.peak import Measured
from ..values.point import OperatingPoint, operating_point
from ..values.throughput import Throughput, predict
from .fvcore import fvcore_cost
from .meta.attention import attention_kernels
from .meta.autocast import autocast
from .meta.execution import MetaExecution
from .model.borrow import borrowed
from .model.build import Prebuilt, build, call_on_meta
from .model.inputs import Inputs, describe
from .model.modules import is_compiled, modules_of, original_of, scripted_copy, set_mode, weights_of
from .model.process import default_contexts, no_garbage_collection, seed, undisturbed_process, without_compiler
from .model.replacements import copied, moved, on_meta, unchanged
from .model.rows import counted_cost
from .model.tree import ModuleTree
from .real_run import device_at_hand, time_and_peak
from .recording.context import counting
from .recording.counting_mode import CountingMode
from .recording.ledger import Ledger
from .recording.optimizers import make_optimizer
from .recording.tensors import tensors_in
from .recording.training import counted_step, plain_step
from .recording.work import WorkRecorder

COUNTERS = ("aten", "fvcore")

Target = torch.nn.Module | Callable[..., torch.nn.Module] | Prebuilt


def measure(
    model: Target,
    *,
    batch: int | None = None,
    res: int | tuple[int, int] | None = None,
    channels: int | None = None,
    seq: int | None = None,
    inputs: Any = None,
    dtype: Any = None,
    mode: str = "infer",
    optimizer: Any = None,
    amp: Any = None,
    attention: Any = None,
    loss: Any = None,
    device: Any = None,
    measured: bool = False,
    convention: str = "fvcore",
    counter: str = "aten",
) -> Cost:
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
    point = operating_point(
        batch=batch,
        res=res,
        channels=channels,
        seq=seq,
        dtype=dtype,
        mode=mode,
        optimizer=optimizer,
        amp=amp,
        attention=attention,
        device=device,
    )
    if loss is not None and not callable(loss):
        raise UsageError(f"loss={loss!r} is not a loss. Allowed: a callable that gets the model's output.")
    if loss is not None and mode != "train":
        raise UsageError("loss= is for mode='train': in inference there is none.")
    training = (loss, optimizer if callable(optimizer) else str(point.optimizer)) if mode == "train" else None
    named = _with_speed(point)
    if convention not in CONVENTIONS:
        raise UsageError(
            f"convention={convention!r} is not a convention. Allowed: 'fvcore', 'torch'."
            f"{nearest(str(convention), CONVENTIONS)}"
        )
    if counter not in COUNTERS:
        raise UsageError(
            f"counter={counter!r} is not a counter. Allowed: 'aten', 'fvcore'.{nearest(str(counter), COUNTERS)}"
        )
    if counter == "fvcore" and convention != "fvcore":
        raise UsageError("counter='fvcore' counts in the convention 'fvcore' only: one multiply-add is one FLOP.")
    if counter == "fvcore" and named is not None:
        raise UsageError(
            "counter='fvcore' does not see what operators move, so it predicts no time. Leave out device=."
        )
    with undisturbed_process(), default_contexts(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*copying from a non-meta parameter.*")
        measurement = _Measurement(model, point, inputs, convention, counter, training, named)
        cost = measurement.cost()
        return replace(cost, measured=measurement.for_real()) if measured else cost


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
    with undisturbed_process(), default_contexts():
        at = operating_point(**point)
        measurement = _Measurement(
            model,
            at,
            inputs,
            convention,
            "aten",
            (loss, point.get("optimizer", "adamw")) if at.mode == "train" else None,
        )
        return measurement.run_once(real=real, grad=grad)


def _with_speed(point: OperatingPoint) -> Device | None:
    """The device whose speed is asked for, if any."""
    found = find_device(point.device) if point.device is not None else None
    return found if found is not None and found.has_speed else None


class _Measurement:
    """The attempts of one measurement: on meta, then with autograd on, then with small values, then for real."""

    def __init__(
        self,
        target: Any,
        point: OperatingPoint,
        inputs: Any,
        convention: str,
        counter: str,
        training: tuple[Any, Any] | None,
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
        with borrowed(model, moved(dtype, device)), no_garbage_collection():
            model.train(self._training is not None)
            arguments, keywords = inputs.real(device)
            optimizer = (
                make_optimizer(self._training[1], model, self._point.rules) if self._training is not None else None
            )

            def step() -> None:
                with attention_kernels(self._point.attention, real=True):
                    if self._training is not None:
                        plain_step(
                            model, arguments, keywords, loss=self._training[0], optimizer=optimizer, forward=precision
                        )
                    else:
                        with torch.no_grad(), precision():
                            model(*arguments, **keywords)

            precision = self._precision(real=True, device=device.type)
            given = describe(arguments, keywords)
            held = (*model.parameters(), *model.buffers(), *tensors_in((arguments, keywords)))
            with self._blaming(model, None, given):
                return time_and_peak(step, device, held, before, rules=self._point.rules)

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
            return self._original(build(self._target.again, self._point, real=True)), True
        if not callable(self._target):
            raise TargetError(f"{self._target!r} is neither an nn.Module nor a factory that returns one.")
        return self._original(build(self._target, self._point, real=real)), True

    def _original(self, model: torch.nn.Module) -> torch.nn.Module:
        original = original_of(model)
        modules = modules_of(model)
        compiled = any(map(is_compiled, modules))
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
        replace = unchanged if keep else copied(dtype)
        if not real:
            replace = on_meta(dtype, grad=grad, built=built, updated=self._training is not None)
        with borrowed(model, replace), no_garbage_collection():
            modules = modules_of(model)
            set_mode(model, modules, training=self._training is not None)
            arguments, keywords = inputs.real(device) if real else _inputs_on_meta(inputs, values=values)
            given = describe(arguments, keywords)
            if self._counter == "fvcore":
                with self._blaming(model, None, given):
                    return fvcore_cost(model, arguments, keywords, self._point, tuple(self._notes))
            tree = ModuleTree.of(model)
            execution = None if real else MetaExecution(keep_small_data=values)
            ledger = Ledger(self._point.rules, on_meta=not real)
            ledger.hold(weights_of(model, modules), "weights")
            ledger.hold(tensors_in((arguments, keywords)), "inputs")
            work = WorkRecorder() if self._device is not None else None
            trace = CountingMode(tree.names, execution, ledger, fused=self._point.attention != "math", work=work)
            optimizer = (
                make_optimizer(self._training[1], model, self._point.rules) if self._training is not None else None
            )
            with (
                self._blaming(model, execution, given, grad=grad),
                attention_kernels(self._point.attention, real=real),
                counting(trace, grad=grad),
                without_compiler(),
            ):
                if self._training is not None:
                    precisions = self._precision(real), self._precision(real, again=True)
                    peak = counted_step(
                        model, arguments, keywords, trace, loss=self._training[0], optimizer=optimizer,
                        forward=precisions[0], recompute=precisions[1],
                    )  # fmt: skip
                else:
                    with self._precision(real)():
                        model(*arguments, **keywords)
                    peak = ledger.peak(("forward",))
            reason = execution.requests.reason() if execution is not None else None
            if reason is not None:
                raise _NeedsRealRun(reason)
            return counted_cost(
                tree,
                trace.tallies,
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
        return partial(autocast, dtype, self._point.rules, recompute=again)

    def _throughput(self, trace: CountingMode) -> Throughput | None:
        """The predicted time of what ran, where a named device was asked for."""
        if self._device is None or trace.work is None:
            return None
        return predict(trace.work.work(), self._device, self._point.batch)

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
            reason = execution.requests.reason(error) if execution is not None else None
            if reason is not None:
                raise _NeedsRealRun(reason) from error
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
        return inputs.on_meta(keep_small_data=True)
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
