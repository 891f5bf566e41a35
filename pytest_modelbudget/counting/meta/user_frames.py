"""The frames of the user's own code, among those of PyTorch and of this package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

import torch

_NOT_THE_USERS = (str(Path(__file__).parents[2]), str(Path(torch.__file__).parent), "<")


_RUN = str(Path(__file__).parents[1] / "counted_run.py")
"""The file that calls the model: its frames, and those that called them, are none of the model's."""


class Caller(NamedTuple):
    """The innermost line of the user's that is running, and the innermost module; ``None`` where there is none."""

    line: str | None
    module: torch.nn.Module | None


def is_users(code: CodeType) -> bool:
    """Whether code is neither PyTorch's nor this package's."""
    return not code.co_filename.startswith(_NOT_THE_USERS)


def caller() -> Caller:
    """Who called what runs now, in the run of a model."""
    line, module = None, None
    for frame in _outward(sys._getframe(1)):
        if module is None:
            module = module_of(frame)
        if line is None and is_users(frame.f_code):
            line = f"{shown_file(frame.f_code.co_filename)}:{frame.f_lineno}"
        if line is not None and module is not None:
            break
    return Caller(line, module)


def module_of(frame: FrameType) -> torch.nn.Module | None:
    """The module whose method a frame runs."""
    owner = frame.f_locals.get("self")
    return owner if isinstance(owner, torch.nn.Module) else None


def shown_file(file: str) -> str:
    """A file as messages show it: from the folder of its package, or from the current one, if it lies in either."""
    path = Path(file)
    if "site-packages" in path.parts:
        start = len(path.parts) - path.parts[::-1].index("site-packages")
        return Path(*path.parts[start:]).as_posix()
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else file


def _outward(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None and frame.f_code.co_filename != _RUN:
        yield frame
        frame = frame.f_back
