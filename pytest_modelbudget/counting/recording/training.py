"""One training step: forward in train mode, a loss, backward, and the optimizer's step in its steady state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch

from ...values.peak import PHASES, Peak
from .allocations import FIRST_STEP
from .counting_mode import CountingMode
from .loss import loss_of
from .tensors import tensors_in

Context = Callable[[], AbstractContextManager[Any]]


def counted_step(
    model: torch.nn.Module,
    arguments: tuple[Any, ...],
    keywords: Mapping[str, Any],
    mode: CountingMode,
    *,
    loss: Callable[[Any], Any] | None,
    optimizer: Any,
    forward: Context,
) -> Peak:
    """Run a step under ``mode``. Returns its peak in the steady state, in which the optimizer has its state.

    ``forward`` makes the context of the forward pass and the loss (autocast). The step runs once, its optimizer twice:
    first to allocate the state that every later step has from the beginning. Raises as `loss_of` does.
    """
    model.zero_grad()  # an earlier attempt may have left gradients
    owners = {id(p): name.rpartition(".")[0] for name, p in model.named_parameters()}

    _forward_and_backward(model, arguments, keywords, loss, forward, lambda: mode.phase("backward"))
    for parameter in model.parameters():
        if parameter.grad is not None:
            mode.ledger.reassign([parameter.grad], "gradients", owners.get(id(parameter), ""))
    if optimizer is None:
        return mode.ledger.peak(PHASES[:2])
    mode.phase(FIRST_STEP)
    with mode.paused():
        optimizer.step()
    mode.ledger.reassign(tensors_in(optimizer.state), "optimizer")
    mode.phase("optimizer")
    optimizer.step()
    return mode.ledger.peak(PHASES, later=("optimizer",))


def plain_step(
    model: torch.nn.Module,
    arguments: tuple[Any, ...],
    keywords: Mapping[str, Any],
    *,
    loss: Callable[[Any], Any] | None,
    optimizer: Any,
    forward: Context,
) -> None:
    """Run a step as a training loop does, with nothing recorded. ``forward`` and errors as for `counted_step`."""
    model.zero_grad()
    _forward_and_backward(model, arguments, keywords, loss, forward)
    if optimizer is not None:
        optimizer.step()


def _forward_and_backward(
    model: torch.nn.Module,
    arguments: tuple[Any, ...],
    keywords: Mapping[str, Any],
    loss: Callable[[Any], Any] | None,
    forward: Context,
    between: Callable[[], None] = lambda: None,
) -> None:
    """Run forward and the loss, call ``between``, and run backward. The loss is freed when this returns."""
    with forward():
        value = loss_of(model(*arguments, **keywords), loss)
    between()
    value.backward()
