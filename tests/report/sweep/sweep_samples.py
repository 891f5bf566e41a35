"""Sweeps made by hand, for the pictures of them."""

from __future__ import annotations

from pytest_modelbudget.grids.cell import Cell
from pytest_modelbudget.grids.cells import Sweep
from pytest_modelbudget.values.point import operating_point

GIB = 1 << 30


def grid(targets, batches, sizes, value, **more):
    """Models at batches and sizes; ``value(batch, size)`` is their FLOPs and their memory."""
    cells = [
        Cell(name, operating_point(batch=b, res=s), {"flops": value(b, s), "memory": value(b, s)}, **more)
        for name in targets
        for s in sizes
        for b in batches
    ]
    return Sweep(tuple(cells), ("flops", "memory"), "fvcore")
