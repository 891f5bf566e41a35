"""The cost of one operator call, in both conventions."""

from __future__ import annotations

from typing import NamedTuple


class Count(NamedTuple):
    """The cost of one call: multiply-adds, FLOPs in both conventions, and the elements of its activations.

    ``fvcore`` counts one multiply-add as one FLOP and adds norms, interpolation and adaptive pooling;
    ``torch`` counts two FLOPs per multiply-add and nothing else.
    """

    macs: int
    fvcore: int
    torch: int
    activations: int


def multiply_adds(macs: int, activations: int) -> Count:
    """A contraction: convolution, matrix product, attention."""
    return Count(macs, macs, 2 * macs, activations)


def operations(flops: float) -> Count:
    """An algorithm whose literature counts floating point operations (FFT, factorisations).

    Half of them, rounded up, count as its multiply-adds, so that both conventions keep their ratio of two.
    """
    total = round(flops)
    half = -(-total // 2)
    return Count(half, half, total, 0)


def extra(flops: int) -> Count:
    """Work that only the fvcore convention counts: normalisation, interpolation, adaptive pooling."""
    return Count(0, flops, 0, 0)
