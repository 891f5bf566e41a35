"""The releases of PyTorch that this package was tried with."""

from __future__ import annotations

import torch

LOWEST, NEWEST = (2, 6), (2, 15)
"""The first and the last release that was tried. `docs/compatibility.md` says which between them were, too."""

SHARDED = (2, 8)
"""The first release that sharded models were tried with."""


def _range(first: tuple[int, int]) -> str:
    return f"PyTorch {'.'.join(map(str, first))} to {'.'.join(map(str, NEWEST))}"


TRIED, SHARDED_TRIED = _range(LOWEST), _range(SHARDED)


def version() -> str:
    """The release of the PyTorch that is installed, without what it is built for: ``2.13.0``."""
    return str(torch.__version__).partition("+")[0]


def release() -> tuple[int, ...]:
    """The first two numbers of the release, as ``(2, 13)``. The last one, of corrections, does not matter."""
    return tuple(int(number) for number in version().split(".")[:2])


def is_tried() -> bool:
    """Whether the installed release is one that was tried."""
    return LOWEST <= release() <= NEWEST
