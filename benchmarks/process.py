"""Processes of their own: each is forked from one that has imported torch and the models' libraries and run nothing.

So a count that starts cold pays for importing its counter, and not for importing torch.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["benchmarks.models"])
_STATUS = Path("/proc/self/status")


class Failed(RuntimeError):
    """What was asked of a process raised, or ended it. Says what it was."""


class Worker:
    """A process that holds one object and answers calls of its methods, until it is closed."""

    def __init__(self, kind: Callable[..., Any], *arguments: Any) -> None:
        self._pipe, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(theirs, kind, arguments), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, method: str, *arguments: Any, timeout: float = 300) -> Any:
        """Call a method there. Raises `Failed` when it raises, takes longer than ``timeout``, or ends the process."""
        try:
            self._pipe.send((method, arguments))
            if not self._pipe.poll(timeout):
                self.close()
                raise Failed("timeout")
            answer, error = self._pipe.recv()
        except (EOFError, OSError) as ended:
            raise Failed("the process ended, out of memory or killed") from ended
        if error is not None:
            raise Failed(error)
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join()
        self._pipe.close()


def call(function: Callable[..., Any], *arguments: Any, timeout: float = 300) -> Any:
    """Call ``function`` in a process of its own. Raises `Failed` like `Worker.ask`."""
    worker = Worker(_Once, function)
    try:
        return worker.ask("run", *arguments, timeout=timeout)
    finally:
        worker.close()


class _Once:
    def __init__(self, function: Callable[..., Any]) -> None:
        self.run = function


def _serve(pipe: Any, kind: Callable[..., Any], arguments: Any) -> None:
    held = None
    while True:
        try:
            method, given = pipe.recv()
        except EOFError:
            return
        try:
            held = kind(*arguments) if held is None else held
            pipe.send((getattr(held, method)(*given), None))
        except Exception as error:  # noqa: BLE001 - whatever a counter raises is its result, and stands in its cell
            text = (str(error).strip() or "no message").splitlines()[0]
            pipe.send((None, f"{type(error).__name__}: {text}"))


def seconds(function: Callable[[], Any]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def median_seconds(function: Callable[[], Any], *, times: int = 3, enough: float = 0.5, before: Any = None) -> float:
    """The median of several calls; fewer when they take long. ``before`` is called before each, untimed."""
    taken: list[float] = []
    while len(taken) < times and sum(taken) < enough:
        if before is not None:
            before()
        taken.append(seconds(function))
    return statistics.median(taken)


def peak_memory() -> int | None:
    """The most memory that this process has held since `reset_peak`, in bytes. None where the system does not say."""
    return _status("VmHWM")


def memory() -> int | None:
    """The memory that this process holds, in bytes."""
    return _status("VmRSS")


def _status(field: str) -> int | None:
    if not _STATUS.exists():
        return None
    lines = (line.split() for line in _STATUS.read_text(encoding="utf-8").splitlines())
    return next(int(line[1]) * 1024 for line in lines if line[0] == f"{field}:")


def reset_peak() -> None:
    """Start to look for the peak again."""
    if _STATUS.exists():
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
