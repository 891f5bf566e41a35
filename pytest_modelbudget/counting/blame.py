"""Whose error it is when a run raises: the model's own, with its module and lines, or one for another attempt."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

import torch

from ..errors import BudgetError, ModelError
from ..values.request import Request
from .meta.devices import NeedsDevice
from .meta.execution import MetaExecution
from .meta.missing_data import MissingData, NeedsData, module_told
from .meta.user_frames import is_users, module_of, shown_file
from .model.shapes import hint_at_tensor
from .own_error import is_own_error


class NeedsRealRun(Exception):
    """The meta device cannot run the model. Its text is a sentence that says why.

    ``raised`` is the error that it ended with, in one line, if it was not that values were missing. ``overwrites`` are
    the lines that fill tensors whose values do not last, in `MissingData`. ``at_least`` are bytes that a real run of it
    takes.
    """

    def __init__(self, why: str, raised: str = "", overwrites: Iterable[str] = ()) -> None:
        super().__init__(why)
        self.raised = raised
        self.overwrites = frozenset(overwrites)
        self.at_least = 0


class NeedsGrad(Exception):
    """Inference mode cannot run the model: it differentiates in forward."""


@contextmanager
def before_forward() -> Iterator[None]:
    """Raise `NeedsRealRun` where inputs cannot be made, or the mode cannot be set, without data."""
    try:
        yield
    except NeedsData as error:
        raise NeedsRealRun(
            f"What runs before forward reads values that the meta device does not have ({error})"
        ) from error


@contextmanager
def blaming(
    model: torch.nn.Module,
    given: str,
    request: Request,
    *,
    execution: MetaExecution | None = None,
    grad: bool = True,
) -> Iterator[None]:
    """Raise what an error of a run inside means; ``given`` are the arguments of forward as text.

    Where the run is on the meta device by ``execution``, that is `NeedsRealRun` if data is missing, or if the error may
    come from the meta device. It is `NeedsGrad` where ``grad`` is off, and the error asks for autograd; else
    `ModelError` with the module and the lines that raised it. A `BudgetError` passes, and
    `NeedsDevice`.

    A run that ends without an error raises `NeedsRealRun` too if data was missing.
    """
    missing = execution.missing if execution is not None else None
    try:
        yield
    except (BudgetError, NeedsDevice):
        raise
    except Exception as error:
        if missing is not None and missing.asked:
            raise _asked(missing, model) from error
        if not grad and _wants_grad(error):
            raise NeedsGrad from error
        if missing is not None and error is not missing.refused and not is_own_error(error):
            raised = _raised(error, model)
            raise NeedsRealRun(f"On the meta device the model raised {raised}{_where(error)}", raised) from error
        raise ModelError(_message(error, model, given, request)) from error
    if missing is not None and missing.asked:
        raise _asked(missing, model)


def _asked(missing: MissingData, model: torch.nn.Module) -> NeedsRealRun:
    asked = missing.asked[0].told(_names(model))
    why = f"The model reads values that the meta device does not have ({asked})"
    return NeedsRealRun(why, overwrites=missing.overwrites)


def _wants_grad(error: Exception) -> bool:
    """Whether an error says that a tensor does not require grad, or is an inference tensor."""
    text = str(error)
    return isinstance(error, RuntimeError) and any(
        sign in text for sign in ("does not require grad", "requires_grad", "nference tensor", "grad_fn")
    )


def _message(error: Exception, model: torch.nn.Module, given: str, request: Request) -> str:
    """What the model raised, in which module and on which of its own lines, and what was being counted."""
    lines = [
        f"\n    {frame.f_code.co_filename}:{line}: in {frame.f_code.co_name}: "
        f"{linecache.getline(frame.f_code.co_filename, line).strip()}"
        for frame, line in _users_lines(error)
    ]
    what = f"{type(error).__name__}{_in_module(error, model)}: {error}{''.join(lines[-3:])}"
    if request.counter == "fvcore":
        return (
            f"Tracing the model for fvcore raised {what}\nIt was traced at {request.point}; forward was given: {given}."
            " Without counter='fvcore' it need not be traced."
        )
    optimizer = _optimizer_in(error)
    who, whose = ("model", "model's") if optimizer is None else (f"optimizer {optimizer}", "optimizer's")
    return (
        f"The {who} raised {what}\nThis is the {whose} own error, at {request.point}; forward was given: {given}."
        f"{hint_at_tensor(error, request.inputs)}"
    )


def _optimizer_in(error: Exception) -> str | None:
    """The class of the optimizer in whose step an error was raised, such as one that takes no sparse gradients."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        owner = frame.f_locals.get("self")
        if isinstance(owner, torch.optim.Optimizer):
            return type(owner).__name__
    return None


def _raised(error: Exception, model: torch.nn.Module) -> str:
    """An error in one line, with the module that raised it."""
    return f"{type(error).__name__}{_in_module(error, model)}: {next(iter(str(error).splitlines()), '')}"


def _where(error: Exception) -> str:
    lines = _users_lines(error)
    return f" ({shown_file(lines[-1][0].f_code.co_filename)}:{lines[-1][1]})" if lines else ""


def _users_lines(error: Exception) -> list[tuple[FrameType, int]]:
    return [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if is_users(frame.f_code)]


def _in_module(error: Exception, model: torch.nn.Module) -> str:
    """`` in module 'layer4.0' (Bottleneck)``: the innermost module that has a name; else an empty text."""
    names, told = _names(model), ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        module = module_of(frame)
        if module is not None and names.get(id(module)):
            told = f" in {module_told(module, names)}"
    return told


def _names(model: torch.nn.Module) -> dict[int, str]:
    return {id(module): name for name, module in model.named_modules()}
