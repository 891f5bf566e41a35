"""The places where PyTorch decomposes composite operators although autograd is off: its function transforms, mostly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch._functorch import eager_transforms, vmap

_TRANSFORMS: tuple[tuple[Any, str], ...] = (
    (vmap, "vmap_increment_nesting"),
    (eager_transforms, "grad_increment_nesting"),
    (eager_transforms, "jvp_increment_nesting"),
)


def transforms_can_be_wrapped() -> bool:
    """Whether this PyTorch enters its transforms by the functions that `around_transforms` replaces."""
    return all(hasattr(module, name) for module, name in _TRANSFORMS)


@contextmanager
def around_transforms(mode: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
    """Enter ``mode()`` around each transform of ``torch.func``, and wherever inference mode is turned off.

    A function mode costs a microsecond at every call and attribute. This way only a model that transforms has it.
    """
    replaced = [(module, name, getattr(module, name)) for module, name in _TRANSFORMS]
    kind = torch.inference_mode
    enter, leave = kind.__enter__, kind.__exit__

    def wrapped(transform: Callable[..., AbstractContextManager[Any]]) -> Any:
        @contextmanager
        def entered(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with mode(), transform(*args, **kwargs) as level:
                yield level

        return entered

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

    for module, name, transform in replaced:
        setattr(module, name, wrapped(transform))
    kind.__enter__, kind.__exit__ = entering, leaving  # type: ignore[method-assign]
    try:
        yield
    finally:
        kind.__enter__, kind.__exit__ = enter, leave  # type: ignore[method-assign]
        for module, name, transform in replaced:
            setattr(module, name, transform)
