"""The progress bar of commands that count many points."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar() -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on a terminal; it shows up when the work takes longer than a second."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(unit=" points", delay=1, leave=False) as shown:

        def progress(done: int, total: int) -> None:
            shown.total = total or None  # a search does not know how far it has to go
            shown.update(done - shown.n)

        yield progress
