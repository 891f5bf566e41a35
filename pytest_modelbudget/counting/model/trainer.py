"""What a LightningModule asks of its trainer in a step: its optimizers, a backward, and to log. Here is no trainer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_


def attach(model: torch.nn.Module, optimizers: Sequence[Any]) -> None:
    """Let a borrowed LightningModule run its step without a trainer. Another model is left as it is.

    Its methods do as those of a trainer on one device: ``optimizers()`` gives the one optimizer, or the list of them,
    ``manual_backward`` is backward, and what is logged is dropped. Giving the model back takes them off again.
    """
    if hasattr(model, "automatic_optimization") and hasattr(model, "training_step"):
        trainer = _Trainer(optimizers)
        vars(model).update({name: getattr(trainer, name) for name in _METHODS})


_METHODS = (
    "optimizers", "lr_schedulers", "manual_backward", "toggle_optimizer", "untoggle_optimizer", "clip_gradients", "log",
    "log_dict",
)  # fmt: skip


class _Trainer:
    def __init__(self, optimizers: Sequence[Any]) -> None:
        self._optimizers = optimizers
        self._toggled: list[torch.Tensor] = []

    def optimizers(self, use_pl_optimizer: bool = True) -> Any:
        """The one optimizer, or a list of several."""
        return self._optimizers[0] if len(self._optimizers) == 1 else list(self._optimizers)

    def lr_schedulers(self) -> None:
        """None: a schedule costs nothing."""
        return None

    def manual_backward(self, loss: torch.Tensor, *arguments: Any, **keywords: Any) -> None:
        """Run backward."""
        loss.backward(*arguments, **keywords)

    def toggle_optimizer(self, optimizer: Any) -> None:
        """Let the parameters of the other optimizers require no grad."""
        own = {id(p) for p in _parameters(optimizer)}
        for other in self._optimizers:
            for parameter in _parameters(other):
                if id(parameter) not in own and parameter.requires_grad:
                    self._toggled.append(parameter.requires_grad_(False))

    def untoggle_optimizer(self, optimizer: Any) -> None:
        """Undo `toggle_optimizer`."""
        while self._toggled:
            self._toggled.pop().requires_grad_(True)

    def clip_gradients(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip the gradients of an optimizer's parameters, by their norm or by ``"value"``."""
        clip = clip_grad_value_ if gradient_clip_algorithm == "value" else clip_grad_norm_
        if gradient_clip_val:
            clip(list(_parameters(optimizer)), gradient_clip_val)

    def log(self, *arguments: Any, **keywords: Any) -> None:
        """Drop it."""

    def log_dict(self, *arguments: Any, **keywords: Any) -> None:
        """Drop it."""


def _parameters(optimizer: Any) -> Iterator[torch.Tensor]:
    return (parameter for group in optimizer.param_groups for parameter in group["params"])
