"""Values of lengths, borders and counts that operators take as tensors: what such a call costs depends on them."""

from __future__ import annotations

import torch
from torch.utils.weak import WeakTensorKeyDictionary

_KNOWN = WeakTensorKeyDictionary()  # tensors on meta to the same with data


class UnknownValues(Exception):
    """A formula needs the values of a tensor that has none: on meta they are dropped.

    ``on``: the only kind of device that runs the operator, if there is but one.
    """

    def __init__(self, *, on: str | None = None) -> None:
        super().__init__("the values of lengths or borders are not known")
        self._on = on

    @property
    def real_run_knows(self) -> bool:
        """Whether a real run can be made, which has them."""
        return self._on != "cuda" or torch.cuda.is_available()


def know(tensor: torch.Tensor, real: torch.Tensor) -> None:
    """Remember, as long as it lives, what ``tensor`` on meta would hold."""
    _KNOWN[tensor] = real


def values(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor, if it has data, or what is known of it. Raises `UnknownValues` where that is nothing."""
    if not tensor.is_meta:
        return tensor
    real: torch.Tensor | None = _KNOWN.get(tensor)
    if real is None:
        raise UnknownValues
    return real


def lengths(borders: torch.Tensor) -> list[int]:
    """The lengths of sequences end to end, from the ``n + 1`` borders between them. Raises as `values`."""
    found: list[int] = values(borders).diff().tolist()
    return found
