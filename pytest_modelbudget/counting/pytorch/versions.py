"""The releases of PyTorch that this package was tried with."""

from __future__ import annotations

import torch

LOWEST, NEWEST = (2, 6), (2, 15)
"""The first and the last release that was tried. `docs/compatibility.md` says which between them were, too."""

TRIED = f"PyTorch {'.'.join(map(str, LOWEST))} to {'.'.join(map(str, NEWEST))}"


def version() -> str:
    """The release of the PyTorch that is installed, without what it is built for: ``2.13.0``."""
    return str(torch.__version__).partition("+")[0]


def release() -> tuple[int, ...]:
    """The first two numbers of the release, as ``(2, 13)``. The last one, of corrections, does not matter."""
    return tuple(int(number) for number in version().split(".")[:2])


def is_tried() -> bool:
    """Whether the installed release is one that was tried."""
    return LOWEST <= release() <= NEWEST
