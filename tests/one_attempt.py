"""One attempt of a count with the choices made by the test, where `measure` makes them by what a model needs."""

from __future__ import annotations

from typing import Any

from pytest_modelbudget import Cost
from pytest_modelbudget.counting.counted_run import counted_run
from pytest_modelbudget.counting.model.call import Attempt
from pytest_modelbudget.counting.model.process import default_contexts, undisturbed_process
from pytest_modelbudget.counting.model.target import model_of
from pytest_modelbudget.values.request import Request


def attempt(model: Any, *, real: bool, grad: bool, keep_small_data: bool = False, **arguments: Any) -> Cost:
    """Count on the meta device or for real, with autograd or without; ``arguments`` are those of `measure`.

    With ``keep_small_data``, small integers and masks have data on the meta device.

    All of them give the same counts wherever they work. Raises what makes `measure` go on to its next attempt.
    """
    request = Request.of(**arguments)
    with undisturbed_process(), default_contexts():
        target = model_of(model, request, real=real)
        return counted_run(
            target, request, Attempt(real=real, grad=grad, keep_small_data=keep_small_data), target.notes
        )
