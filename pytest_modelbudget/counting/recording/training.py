"""One training step: forward in train mode, a loss, backward, and the optimizer's step in its steady state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from ...errors import ModelError, UsageError
from ...values.peak import PHASES, Peak
from ...values.point import OperatingPoint
from .trace import Trace

Optimizer = Callable[[list[torch.nn.Parameter]], Any]

OPTIMIZERS: Mapping[str, Optimizer | None] = {
    "none": None,
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=1e-3),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=1e-3, momentum=0.9),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
}
"""What ``optimizer=`` may name. A callable is called with the list of parameters that require gradients."""


@dataclass(frozen=True)
class Training:
    """How a step is trained: the optimizer by name or as a callable, the loss if it is not the model's, and where."""

    choice: str | Optimizer
    loss: Callable[[Any], Any] | None
    rules: str

    @classmethod
    def of(cls, point: OperatingPoint, optimizer: Any, loss: Any) -> Training | None:
        """The training of an operating point, ``None`` where it is inference."""
        if point.mode != "train":
            return None
        return cls(optimizer if callable(optimizer) else str(point.optimizer), loss, point.rules)

    def optimizer(self, model: torch.nn.Module) -> Any:
        """A new optimizer for the model's parameters, or ``None``."""
        return make_optimizer(self.choice, model, self.rules)

    def step(
        self,
        model: torch.nn.Module,
        arguments: tuple[Any, ...],
        keywords: Mapping[str, Any],
        trace: Trace,
        optimizer: Any,
        forward: Callable[[], AbstractContextManager[Any]],
        again: Callable[[], AbstractContextManager[Any]],
    ) -> Peak:
        """One step, as `train_step`."""
        return train_step(
            model, arguments, keywords, trace, loss=self.loss, optimizer=optimizer, forward=forward, again=again
        )

    def plain_step(
        self,
        model: torch.nn.Module,
        arguments: tuple[Any, ...],
        keywords: Mapping[str, Any],
        optimizer: Any,
        forward: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        """A step as people write it, with nothing watching."""
        model.zero_grad()
        _backward(model, arguments, keywords, self.loss, forward)
        if optimizer is not None:
            optimizer.step()


def make_optimizer(choice: str | Optimizer, model: torch.nn.Module, rules: str) -> Any:
    """The optimizer of a model's trainable parameters, or ``None``.

    Under the rules of ``"cuda"`` it works on lists of tensors (``foreach``), as PyTorch's do there by default.
    Raises `UsageError` where the callable raises, or returns something without a ``step()``.
    """
    make = OPTIMIZERS[choice] if isinstance(choice, str) else choice
    parameters = [p for p in model.parameters() if p.requires_grad]
    if make is None or not parameters:
        return None
    name = choice if isinstance(choice, str) else getattr(choice, "__name__", type(choice).__name__)
    try:
        optimizer = make(parameters)
    except Exception as error:
        raise UsageError(f"optimizer={name} raised {type(error).__name__}: {error}") from error
    if not callable(getattr(optimizer, "step", None)) or not hasattr(optimizer, "state"):
        raise UsageError(
            f"optimizer={name} returned a value of type {type(optimizer).__name__}, not an optimizer. "
            "Allowed: 'none', 'sgd', 'momentum', 'adam', 'adamw', or a callable such as "
            "lambda params: torch.optim.RMSprop(params)."
        )
    for group in getattr(optimizer, "param_groups", ()):
        if rules == "cuda" and not group.get("fused") and group.get("foreach", 0) is None:
            group["foreach"] = True
    return optimizer


def train_step(
    model: torch.nn.Module,
    arguments: tuple[Any, ...],
    keywords: Mapping[str, Any],
    trace: Trace,
    *,
    loss: Callable[[Any], Any] | None,
    optimizer: Any,
    forward: Callable[[], AbstractContextManager[Any]],
    again: Callable[[], AbstractContextManager[Any]],
) -> Peak:
    """Run a step under ``trace`` and give its peak in the steady state, when the optimizer's state is there.

    ``forward`` makes the context that the forward pass and the loss run in (autocast), ``again`` that of the backward
    pass, in which checkpoints run parts of the forward pass again. The step is run once: its
    optimizer's part twice, first to have its state, which every later step has from the beginning.
    Raises `ModelError` where nothing can be differentiated, `UsageError` for a loss that is no scalar.
    """
    model.zero_grad()  # an earlier attempt may have left gradients
    owners = {id(p): name.rpartition(".")[0] for name, p in model.named_parameters()}

    _backward(model, arguments, keywords, loss, forward, lambda: trace.phase("backward"), again)
    for parameter in model.parameters():
        if parameter.grad is not None:
            trace.ledger.turned_out([parameter.grad], "gradients", owners.get(id(parameter), ""))
    if optimizer is None:
        return trace.ledger.peak(PHASES[:2])
    trace.phase("first optimizer step")
    with trace.paused():
        optimizer.step()
    trace.ledger.turned_out(tensors_in(optimizer.state), "optimizer")
    trace.phase("optimizer")
    optimizer.step()
    return trace.ledger.peak(PHASES, later=("optimizer",))


def _backward(
    model: torch.nn.Module,
    arguments: tuple[Any, ...],
    keywords: Mapping[str, Any],
    loss: Callable[[Any], Any] | None,
    forward: Callable[[], AbstractContextManager[Any]],
    between: Callable[[], None] = lambda: None,
    again: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> None:
    """Forward, the loss, ``between``, and backward, ``again`` around it. The loss is gone when this returns."""
    with forward():
        value = _loss(model(*arguments, **keywords), loss)
    between()
    with again():
        value.backward()


def _loss(output: Any, loss: Callable[[Any], Any] | None) -> torch.Tensor:
    """A scalar: what ``loss`` makes of the output, the loss that the output has, or the sum of its floating tensors."""
    if loss is not None:
        value = loss(output)
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            raise UsageError(
                f"loss= returned {_kind(value)}, not a scalar tensor. Reduce it: loss=lambda output: output.mean()."
            )
        if not value.requires_grad:
            raise ModelError("mode='train': the value of loss= does not depend on any parameter that requires grad.")
        return value
    own = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    if isinstance(own, torch.Tensor) and own.numel() == 1 and own.requires_grad:
        return own
    found = list(tensors_in(output))
    parts = [_real(t).sum() for t in found if (t.is_floating_point() or t.is_complex()) and t.requires_grad]
    if not parts:
        given = ", ".join(_kind(t) for t in found[:3]) or "no tensor"
        raise ModelError(
            f"mode='train': the model cannot be trained: no output of its forward depends on a parameter that requires "
            f"grad (it gave {given}). Measure it with mode='infer', or say what to minimise with loss=."
        )
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _real(tensor: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def _kind(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)} and {str(value.dtype).removeprefix('torch.')}"
    return f"a value of type {type(value).__name__}"


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """The tensors in an output, however nested; of a dataclass or another plain object, those of its attributes."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _all(value.values())
    elif isinstance(value, (list, tuple, set)):
        yield from _all(value)
    elif hasattr(value, "__dict__") and not isinstance(value, (type, torch.nn.Module)):
        yield from _all(vars(value).values())


def _all(values: Iterable[Any]) -> Iterator[torch.Tensor]:
    for value in values:
        yield from tensors_in(value)
