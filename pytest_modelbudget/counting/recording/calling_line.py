"""The line of the user's code that is running: the innermost one that is neither PyTorch's nor this package's."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType

import torch

_OURS = (str(Path(torch.__file__).parent), str(Path(__file__).parents[2]))


def calling_line() -> tuple[str, int] | None:
    """File and line, or ``None`` if there is no such code."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_OURS) and not file.startswith("<"):
            return file, frame.f_lineno
        frame = frame.f_back
    return None
