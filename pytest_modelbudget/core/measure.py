"""The measurement itself: a model or factory and an operating point in, a `Cost` out."""

from __future__ import annotations

import copy
import linecache
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..cost import CONVENTIONS, Cost
from ..errors import BudgetError, ModelError, TargetError, UsageError, nearest
from ..point import OperatingPoint, operating_point
from .build import Prebuilt, build, call_on_meta
from .execution import MetaExecution, NeedsData, is_missing_data
from .fvcore import fvcore_cost
from .inputs import Inputs, describe
from .modules import ModuleTree, traced_cost
from .standin import (
    borrowed,
    copied,
    kept,
    on_meta,
    original_of,
    same_everywhere,
    seed,
    set_eval,
    undisturbed_process,
)
from .trace import Trace, counting

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
    convention: str = "fvcore",
    counter: str = "aten",
) -> Cost:
    """Measure what ``model`` costs at an operating point, without computing anything.

    ``model`` is an ``nn.Module``, which is left exactly as it was, or a factory, which is called under the meta
    device so that weights take neither memory nor time. ``batch`` and ``res`` (pixels, or (height, width)) make one
    float image tensor, ``batch`` and ``seq`` one int64 tensor of token ids, ``inputs`` anything else.
    ``convention`` is ``"fvcore"`` (1 FLOP a multiply-add, norms included) or ``"torch"`` (2, nothing else).
    ``counter="fvcore"`` counts with ``fvcore.nn.FlopCountAnalysis`` instead of the operators' own formulas.

    Raises `UsageError` for arguments that cannot be meant, `TargetError` when the factory fails,
    `ModelError` when the model's own code raises.
    """
    point = operating_point(batch=batch, res=res, channels=channels, seq=seq, dtype=dtype, mode=mode)
    not_yet(mode=mode, optimizer=optimizer, amp=amp, attention=attention, loss=loss, device=device)
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
    with undisturbed_process(), same_everywhere(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*copying from a non-meta parameter.*")
        return _Measurement(model, point, inputs, convention, counter).cost()


def attempt(
    model: Target, *, real: bool, grad: bool, inputs: Any = None, convention: str = "fvcore", **point: Any
) -> Cost:
    """One attempt of `measure` with the choices made by the caller: on meta or for real, with autograd or without.

    All four give the same counts wherever they work; that they do is what this is for. Raises like `measure`, and
    what `measure` would take as a reason for its next attempt.
    """
    with undisturbed_process(), same_everywhere():
        measurement = _Measurement(model, operating_point(**point), inputs, convention, "aten")
        return measurement.run_once(real=real, grad=grad)


def not_yet(**options: Any) -> None:
    """Refuse the options of measurements that are not there yet, rather than ignore them."""
    if options.pop("mode") != "infer":
        raise UsageError("mode='train' is not available yet: this version measures inference only.")
    for name, value in options.items():
        if value is not None:
            raise UsageError(f"{name}= is not available yet: it belongs to memory and training, which come later.")


class _Measurement:
    """The attempts of one measurement: on meta, then with autograd on, then for real."""

    def __init__(self, target: Any, point: OperatingPoint, inputs: Any, convention: str, counter: str) -> None:
        self._target = target
        self._point = point
        self._inputs = inputs
        self._convention = convention
        self._counter = counter
        self._notes: list[str] = []

    def cost(self) -> Cost:
        if self._counter == "fvcore":
            return self._real_run(grad=False)
        model, built = self._model(real=False)
        try:
            return self._run(model, built, real=False, grad=False)
        except _NeedsGrad:
            grad = True
            self._notes.append("The model differentiates in its forward pass: it was counted with autograd on.")
        except _NeedsRealRun as need:
            grad = False
            self._notes.append(f"{need}: run for real on seeded inputs.")
        if grad:
            try:
                return self._run(model, built, real=False, grad=True)
            except _NeedsRealRun as need:
                self._notes.append(f"{need}: run for real on seeded inputs.")
        return self._real_run(grad=grad)

    def run_once(self, *, real: bool, grad: bool) -> Cost:
        model, built = self._model(real=real)
        return self._run(model, built, real=real, grad=grad)

    def _real_run(self, *, grad: bool) -> Cost:
        model, built = self._model(real=True)
        try:
            return self._run(model, built, real=True, grad=grad)
        except _NeedsGrad:
            self._notes.append("The model differentiates in its forward pass: it was counted with autograd on.")
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
        compiled = [m for m in model.modules() if original_of(m) is not m or getattr(m, "_compiled_call_impl", None)]
        note = "torch.compile: the original module was counted, not what the compiler makes of it."
        if compiled and note not in self._notes:
            self._notes.append(note)
        return (
            copy.deepcopy(original) if isinstance(original, torch.jit.ScriptModule) else original
        )  # no state to be put back

    def _run(self, model: torch.nn.Module, built: bool, *, real: bool, grad: bool) -> Cost:
        dtype = getattr(torch, self._point.dtype) if self._point.dtype else None
        inputs = Inputs(self._inputs, self._point, dtype or _floating_dtype(model), cast=dtype is not None)
        device = _device(model)
        keep = built and real and dtype is None and not any(p.is_meta for p in model.parameters())
        replace = kept if keep else copied(dtype) if real else on_meta(dtype, grad=grad, keep=built)
        with borrowed(model, replace):
            set_eval(model)
            arguments, keywords = inputs.real(device) if real else _inputs_on_meta(inputs)
            if self._counter == "fvcore":
                with self._blaming(model, None, describe(arguments, keywords)):
                    return fvcore_cost(model, arguments, keywords, self._point, tuple(self._notes))
            tree = ModuleTree.of(model)
            execution = None if real else MetaExecution()
            trace = Trace(tree.names, execution)
            given = describe(arguments, keywords)
            with self._blaming(model, execution, given, grad=grad), counting(trace, grad=grad), eager():
                model(*arguments, **keywords)
            if execution is not None and execution.needed:
                raise _NeedsRealRun(execution.needed[0])
            return traced_cost(
                tree,
                trace,
                point=self._point,
                convention=self._convention,
                inputs=given,
                executed="real" if real else "meta",
                notes=tuple(self._notes),
            )

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


def _inputs_on_meta(inputs: Inputs) -> tuple[tuple[Any, ...], dict[str, Any]]:
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
