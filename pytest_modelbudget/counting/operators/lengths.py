"""Lengths, borders and counts that operators take as tensors: what a call costs depends on their values."""

from __future__ import annotations

import torch


class UnknownValues(Exception):
    """A formula needs the values of a tensor that has none: on meta they are dropped.

    ``on``: the only kind of device that runs the operator, if there is but one.
    """

    def __init__(self, *, on: str | None = None) -> None:
        super().__init__("the values of lengths or borders are not known")
        self._on = on

    @property
    def runs_here(self) -> bool:
        """Whether a real run could tell."""
        return self._on != "cuda" or torch.cuda.is_available()


def values(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor, if it has data. Raises `UnknownValues` where it has none."""
    if tensor.is_meta:
        raise UnknownValues
    return tensor


def lengths(borders: torch.Tensor) -> list[int]:
    """The lengths of sequences end to end, from the ``n + 1`` borders between them."""
    found: list[int] = values(borders).diff().tolist()
    return found
