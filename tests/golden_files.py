"""Golden files: what people read, kept word for word, so that a change of it is seen in a review."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

_FOLDER = Path(__file__).parent / "golden"


def golden(name: str) -> str:
    """What is kept in ``tests/golden/<name>``."""
    return (_FOLDER / name).read_text(encoding="utf-8")


def check_golden(name: str | Path, found: str, alike: Callable[[str], str] = str) -> None:
    """Compare a text with ``tests/golden/<name>``, or with a file elsewhere, given by its whole path.

    MODELBUDGET_GOLDEN=write accepts what there is now: read it, then commit. ``alike`` takes out of both texts what may
    differ between them.
    """
    path = _FOLDER / name
    if os.environ.get("MODELBUDGET_GOLDEN") == "write":
        path.write_text(found, encoding="utf-8")
    assert alike(found) == alike(path.read_text(encoding="utf-8")), path.name
