"""The places where PyTorch decomposes composite operators although autograd is off: its function transforms, mostly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch

from ..pytorch.private import (
    END_FUNCTIONALIZE,
    FUNCTIONALIZE,
    GRAD,
    JVP,
    TRANSFORM_GRAD,
    TRANSFORMS_LEAVE_INFERENCE_MODE,
    VMAP,
    is_forward_grad_enabled,
    set_forward_grad_enabled,
)
from ..pytorch.replaced import replaced


@contextmanager
def around_transforms(mode: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
    """Enter ``mode()`` around each transform of ``torch.func``, and wherever inference mode is turned off.

    A function mode costs a microsecond at every call and attribute. This way only a model that transforms has it.
    """
    kind = torch.inference_mode
    enter, leave = kind.__enter__, kind.__exit__

    def entering(self: Any) -> None:
        enter(self)
        if not self.mode:
            self._around = mode()
            self._around.__enter__()

    def leaving(self: Any, *error: Any) -> None:
        around = vars(self).pop("_around", None)
        if around is not None:
            around.__exit__(*error)
        leave(self, *error)

    functionalized: list[AbstractContextManager[Any]] = []
    begin, end = FUNCTIONALIZE.value, END_FUNCTIONALIZE.value

    def functionalizing(*args: Any) -> Any:
        functionalized.append(mode())
        functionalized[-1].__enter__()
        return begin(*args)

    def functionalized_now() -> Any:
        try:
            return end()
        finally:
            functionalized.pop().__exit__(None, None, None)

    with ExitStack() as stack:
        for owner, name, new in (
            *((*place, _inside(mode, place.value)) for place in (VMAP, GRAD, JVP)),
            (*FUNCTIONALIZE, functionalizing),
            (*END_FUNCTIONALIZE, functionalized_now),
            (kind, "__enter__", entering),
            (kind, "__exit__", leaving),
        ):
            stack.enter_context(replaced(owner, name, new))
        yield


@contextmanager
def differentiating_transforms() -> Iterator[None]:
    """Let ``torch.func.grad`` and its like differentiate in inference mode, as PyTorch's own do from 2.12 on.

    Before, they return zeros there, and backward does not run.
    """
    if TRANSFORMS_LEAVE_INFERENCE_MODE:
        yield
        return

    differentiate = TRANSFORM_GRAD.value

    def differentiating(*args: Any, **kwargs: Any) -> Any:
        with _outside_inference_mode():  # what `vjp` returns is called when its transform has ended
            return differentiate(*args, **kwargs)

    with (
        replaced(*GRAD, _inside(_outside_inference_mode, GRAD.value)),
        replaced(*JVP, _inside(_outside_inference_mode, JVP.value)),
        replaced(*TRANSFORM_GRAD, differentiating),
    ):
        yield


def _inside(context: Callable[[], AbstractContextManager[Any]], transform: Callable[..., Any]) -> Any:
    """A transform, a context of one level, that ``context`` is around."""

    @contextmanager
    def entered(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with context(), transform(*args, **kwargs) as level:
            yield level

    return entered


@contextmanager
def _outside_inference_mode() -> Iterator[None]:
    """No inference mode, and autograd on or off as it was, which leaving inference mode would turn on."""
    if not torch.is_inference_mode_enabled():
        yield
        return
    grad, forward_grad = torch.is_grad_enabled(), is_forward_grad_enabled()
    with torch.inference_mode(False):
        torch.set_grad_enabled(grad)
        set_forward_grad_enabled(forward_grad)
        yield
