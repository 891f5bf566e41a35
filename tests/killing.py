"""Work in a child process that is killed before or after one of the calls by which it asks the system for anything.

Python code does so by functions of `posix` and of `io`, which are written in C, and `sys.setprofile` is told of every
such call, before and after. What lies between two of them is seen by nobody outside the process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

_WHEN = {"c_call": "before", "c_return": "after", "c_exception": "after"}
_SYSTEM = ("posix", "io", "_io")
"""Modules of functions, and of objects with methods, that ask the system."""


class End(NamedTuple):
    """How a child ended: its exit code, ``-SIGKILL`` if it was killed, and the place where that was, else empty."""

    code: int
    place: str


def end(at: int | str, work: Callable[[AbstractContextManager[None]], int]) -> End:
    """Do ``work`` in a child and kill it at a place, by its number from 0, or by its name: ``"before fsync"``.

    The work is given a context manager, within which the places count; it returns the exit code of a child that was
    not killed. What it prints goes to stderr.
    """
    read, tell = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.dup2(2, 1)
            code = work(_killed(at, tell))
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(code)
    os.close(tell)
    with os.fdopen(read, encoding="utf-8") as told:
        place = told.read()
    return End(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), place)


@contextmanager
def _killed(at: int | str, tell: int) -> Iterator[None]:
    number = -1

    def profile(_: FrameType, event: str, function: Any) -> None:
        nonlocal number
        if event in _WHEN and (function.__module__ or type(function.__self__).__module__) in _SYSTEM:
            number += 1
            place = f"{_WHEN[event]} {function.__qualname__}"
            if at in (number, place):
                os.write(tell, place.encode())
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)


def run(script: str, *arguments: str | Path) -> list[dict[str, Any]]:
    """The lines of JSON that a script beside the tests prints, such as ``baseline.killed_writes``.

    It is a process of its own: to fork the one of the tests, which has threads, is not safe.
    """
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", script, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
