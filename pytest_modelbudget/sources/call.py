"""Where the call that is running was written: from Python's frames to a place in a file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import FrameType

from ..values.written import Place
from .rewrite import digest_of


@dataclass(frozen=True)
class Call:
    """A call in a file: the line it begins in, and, from Python 3.11 on, the line and column it ends at."""

    file: str
    digest: str
    line: int
    end: tuple[int, int] | None

    def place(self, argument: str) -> Place:
        """Where an argument of it is."""
        return Place(self.file, self.digest, argument, self.line, self.end)


def calling(beyond: frozenset[str], digests: dict[str, str]) -> Call | None:
    """The call that a user wrote: the nearest one from outside of the files ``beyond``, and of this one's caller.

    ``digests`` has the files that were seen before, as they were then, and gets what is new. ``None`` where the call is
    in no file, as in a notebook.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename in beyond:
        frame = frame.f_back
    if frame is None or not Path(frame.f_code.co_filename).is_file():
        return None
    file = str(Path(frame.f_code.co_filename).resolve())
    line, end = frame.f_lineno, None
    if sys.version_info >= (3, 11):
        at = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None))
        if at[1] is not None and at[3] is not None:
            end = (at[1], at[3])
    return Call(file, seen(file, digests), line, end)


def seen(file: str, digests: dict[str, str]) -> str:
    """The digest of a file when it was first seen."""
    if file not in digests:
        digests[file] = digest_of(Path(file).read_bytes())
    return digests[file]
