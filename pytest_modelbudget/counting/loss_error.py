"""Whose error it is when a loss raises on the meta device: it is called again, with an output that has values."""

from __future__ import annotations

import traceback
from itertools import pairwise
from types import FrameType

import torch

from ..errors import BudgetError
from .meta.missing_data import NeedsData
from .model.copies import Copier
from .recording.loss import loss_of
from .recording.tensors import tensors_in

_WHATEVER_THE_VALUES = (KeyError, AttributeError, NameError, ImportError, TypeError)
_MOST = 1 << 30  # bytes of an output that is made for it


def frame_of_loss(error: BaseException) -> FrameType | None:
    """Where a loss was called that raised ``error``; ``None`` if it was raised elsewhere."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return next((frame for frame, inner in pairwise(frames) if _calls_loss(frame, inner)), None)


def _calls_loss(frame: FrameType, inner: FrameType) -> bool:
    return frame.f_code is loss_of.__code__ and inner.f_globals is not frame.f_globals


def error_of_loss(error: Exception) -> Exception | None:
    """The error to blame on a loss that raised on the meta device; ``None`` if it may do without one in a real run.

    The loss is called without the model, with an output of the same sizes. What it raises there, too, is its own error,
    as is that it looks something up that is not there, or cannot be called as it is. Raises what `loss_of` does.
    """
    frame = frame_of_loss(error)
    raised = _raised_with_values(frame) if frame is not None else None
    if isinstance(raised, BudgetError):
        raise raised from error
    if raised is None or (type(raised), str(raised)) == (type(error), str(error)):
        return raised
    return raised if isinstance(raised, _WHATEVER_THE_VALUES) else None


def _raised_with_values(frame: FrameType) -> Exception | None:
    output, loss = frame.f_locals["output"], frame.f_locals["loss"]
    try:
        if sum(tensor.numel() * tensor.element_size() for tensor in tensors_in(output)) > _MOST:
            return None
        stand_in = Copier(_with_values, lambda shape: shape).copy(output, shapes=False)
    except (NeedsData, RuntimeError, TypeError, ValueError, NotImplementedError):
        return None
    try:
        loss_of(stand_in, loss)
    except Exception as error:  # noqa: BLE001 - it is the user's own code, whose error is told
        return error
    return None


def _with_values(tensor: torch.Tensor) -> torch.Tensor:
    if not tensor.is_meta:
        return tensor
    made = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cpu")
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return made.zero_()
    # as an output of the model it is no leaf, and is changed in place
    return made.normal_(generator=torch.Generator().manual_seed(0)).requires_grad_(tensor.requires_grad).clone()
