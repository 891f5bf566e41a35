"""Whose error it is when a run raises: the model's own, with its module and lines, or one for another attempt."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ..errors import BudgetError, ModelError
from ..values.request import Request
from .meta.devices import NeedsDevice
from .meta.execution import MetaExecution

_THIS_PACKAGE = str(Path(__file__).parent)
_TORCH = str(Path(torch.__file__).parent)


class NeedsRealRun(Exception):
    """The meta device cannot run the model: it reads values."""

    def __str__(self) -> str:
        """The sentence for a note, which names what asked for values."""
        return f"The model reads values that the meta device does not have ({self.args[0]})"


class NeedsGrad(Exception):
    """Inference mode cannot run the model: it differentiates in forward."""


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

    That is `NeedsRealRun` where the run is on the meta device by ``execution``, and data is missing; `NeedsGrad` where
    ``grad`` is off, and the error asks for autograd; else `ModelError` with the module and the lines that raised it. A
    `BudgetError` passes, and `NeedsDevice`.
    """
    try:
        yield
    except (BudgetError, NeedsDevice):
        raise
    except Exception as error:
        reason = execution.missing.reason(error) if execution is not None else None
        if reason is not None:
            raise NeedsRealRun(reason) from error
        if not grad and _wants_grad(error):
            raise NeedsGrad from error
        raise ModelError(_message(error, model, given, request)) from error


def _wants_grad(error: Exception) -> bool:
    """Whether an error says that a tensor does not require grad, or is an inference tensor."""
    text = str(error)
    return isinstance(error, RuntimeError) and any(
        sign in text for sign in ("does not require grad", "requires_grad", "nference tensor", "grad_fn")
    )


def _message(error: Exception, model: torch.nn.Module, given: str, request: Request) -> str:
    """What the model raised, in which module and on which of its own lines, and what was being counted."""
    names = {id(module): name for name, module in model.named_modules()}
    module, lines = "", []
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = names.get(id(frame.f_locals.get("self")))
        if name:
            module = f" in module {name!r} ({type(frame.f_locals['self']).__name__})"
        file = frame.f_code.co_filename
        if not file.startswith((_THIS_PACKAGE, _TORCH, "<")):
            lines.append(f"\n    {file}:{line}: in {frame.f_code.co_name}: {linecache.getline(file, line).strip()}")
    what = f"{type(error).__name__}{module}: {error}{''.join(lines[-3:])}"
    if request.counter == "fvcore":
        return (
            f"Tracing the model for fvcore raised {what}\nIt was traced at {request.point}; forward was given: {given}."
            " Without counter='fvcore' it need not be traced."
        )
    return f"The model raised {what}\nThis is the model's own error, at {request.point}; forward was given: {given}."
