"""The loss of a training step: a scalar tensor that can be differentiated, from the output of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from ...errors import ModelError, UsageError
from .tensors import tensors_in


def loss_of_step(value: Any) -> torch.Tensor:
    """The loss that a training step returned: a scalar tensor, the first of a tuple, or what is named ``loss`` in it.

    Raises `UsageError` for anything else, `ModelError` where it does not require grad.
    """
    found = value[0] if isinstance(value, tuple) and value and not hasattr(value, "_fields") else value
    if not isinstance(found, torch.Tensor):
        found = _own_loss(found)
    if not isinstance(found, torch.Tensor) or found.numel() != 1:
        raise UsageError(
            f"step= returned {_described(value if found is None else found)}, not a loss. Allowed: a scalar tensor, a "
            "tuple that begins with one, or a dict or object with one named 'loss'."
        )
    if not found.requires_grad:
        raise ModelError("mode='train': the loss that step= returned depends on no parameter that requires grad.")
    return found


def loss_of(output: Any, loss: Callable[[Any], Any] | None) -> torch.Tensor:
    """What ``loss`` returns for the output, or the output's own ``loss``, or the sum of its floating tensors.

    Raises `UsageError` where ``loss`` returns no scalar tensor, `ModelError` where nothing requires grad.
    """
    if loss is not None:
        value = loss(output)
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            raise UsageError(
                f"loss= returned {_described(value)}, not a scalar tensor. "
                "Reduce it: loss=lambda output: output.mean()."
            )
        if not value.requires_grad:
            raise ModelError("mode='train': the value of loss= does not depend on any parameter that requires grad.")
        return value
    own = _own_loss(output)
    if isinstance(own, torch.Tensor) and own.numel() == 1 and own.requires_grad:
        return own
    found = list(tensors_in(output))
    parts = [_real(t).sum() for t in found if (t.is_floating_point() or t.is_complex()) and t.requires_grad]
    if not parts:
        given = ", ".join(_described(t) for t in found[:3]) or "no tensor"
        raise ModelError(
            f"mode='train': the model cannot be trained: no output of its forward depends on a parameter that requires "
            f"grad (it gave {given}). Measure it with mode='infer', or say what to minimise with loss=."
        )
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _own_loss(output: Any) -> Any:
    """What is named ``loss`` in an output; ``None`` if nothing is."""
    return output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)


def _real(tensor: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def _described(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)} and {str(value.dtype).removeprefix('torch.')}"
    return f"a value of type {type(value).__name__}"
