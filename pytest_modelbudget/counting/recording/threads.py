"""The work of other threads: each task that a counted thread hands to another is counted there.

PyTorch's modes belong to a thread. So a task gets those of the thread that it comes from: the modes of this package,
inference mode, and whether autograd is on. As in PyTorch, autocast does not follow. What cannot be counted is reported:
work in other processes, and what a thread takes from a queue that was there before the count.
"""

from __future__ import annotations

import functools
import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import pool
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from ..pytorch.private import (
    dispatch_modes,
    function_modes,
    pop_dispatch_mode,
    pop_function_mode,
    push_dispatch_mode,
    push_function_mode,
)
from ..pytorch.replaced import replaced
from .counting_mode import CountingMode

_PACKAGE = __name__.partition(".")[0]
_WORKERS = ("concurrent.futures.thread", "multiprocessing.pool")
_TURN_SECONDS = 1.0


@contextmanager
def threads_counted(mode: CountingMode) -> Iterator[None]:
    """Count by ``mode`` what threads do for the model, and report to it what cannot be seen."""
    threads = _Threads(mode)
    submit, submit_to_process = ThreadPoolExecutor.submit, ProcessPoolExecutor.submit
    start, start_process = threading.Thread.start, BaseProcess.start
    generate, apply = pool.Pool._guarded_task_generation, pool.Pool.apply_async  # type: ignore[attr-defined]

    def submitting(self: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        task = threads.task(function)
        future = submit(self, task, *args, **kwargs)
        if task is not function:
            threads.expect(future, lambda given: not given.done())
        return future

    def submitting_to_process(self: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        threads.report_process()
        return submit_to_process(self, function, *args, **kwargs)

    def starting(self: Any) -> None:
        threads.prepare(self)
        start(self)

    def starting_process(self: Any) -> None:
        threads.report_process()
        start_process(self)

    def generating(self: Any, job: Any, function: Any, iterable: Any) -> Any:
        task = threads.task_of(self, function)
        if task is not function:
            threads.expect(self, lambda given: job in given._cache)
        return generate(self, job, task, iterable)

    def applying(self: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
        task = threads.task_of(self, function)
        result = apply(self, task, *args, **kwargs)
        if task is not function:
            threads.expect(result, lambda given: not given.ready())
        return result

    replacements: list[tuple[Any, str, Any]] = [
        (ThreadPoolExecutor, "submit", submitting),
        (ProcessPoolExecutor, "submit", submitting_to_process),
        (threading.Thread, "start", starting),
        (BaseProcess, "start", starting_process),
        (pool.Pool, "_guarded_task_generation", generating),
        (pool.Pool, "apply_async", applying),
    ]
    for kind in (queue.Queue, queue.LifoQueue, queue.PriorityQueue):
        replacements.append((kind, "_get", threads.taking(kind._get)))
    with ExitStack() as stack:
        for owner, name, new in replacements:
            stack.enter_context(replaced(owner, name, new))
        try:
            yield
        finally:
            threads.close()


class _Threads:
    """The tasks of one count that run in other threads."""

    def __init__(self, mode: CountingMode) -> None:
        self._mode = mode
        self._turn = threading.Lock()
        self._expected: list[tuple[weakref.ref[Any], Callable[[Any], bool]]] = []

    def task(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, which is given to another thread, counted there if this thread is counted."""
        modes = _Modes.of_this_thread(self._mode)
        if modes is None:
            return function

        def counted(*args: Any, **kwargs: Any) -> Any:
            with self._turn_of_one(), modes.entered():
                return function(*args, **kwargs)

        return counted

    def expect(self, result: Any, has_not_ended: Callable[[Any], bool]) -> None:
        """Expect a task to end before the count does. ``result`` is alive until then, and no longer because of this."""
        self._expected.append((weakref.ref(result), has_not_ended))

    def task_of(self, owner: Any, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same for a pool of `multiprocessing`, of threads or of processes."""
        if isinstance(owner, pool.ThreadPool):
            return self.task(function)
        self.report_process()
        return function

    def prepare(self, thread: threading.Thread) -> None:
        """Let a thread that is about to start be counted. The workers of pools are not: their tasks are."""
        if getattr(getattr(thread, "_target", None), "__module__", None) in _WORKERS:
            return
        modes = _Modes.of_this_thread(self._mode)
        if modes is None:
            return
        run, own = thread.run, vars(thread).get("run")

        def counted() -> None:
            if own is None:
                del vars(thread)["run"]
            else:
                vars(thread)["run"] = own
            with modes.entered():
                run()

        vars(thread)["run"] = counted

    def taking(self, get: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """How a queue gives away an item: reported if a thread that is not counted takes tensors."""

        def take(self_: Any) -> Any:
            item = get(self_)
            if not self._mode.modules.is_counted() and not self._mode.closed and _holds_tensors(item, 4):
                self._mode.tallies.report("tensors given to a thread that was there before", "")
            return item

        return take

    def report_process(self) -> None:
        """Report work that goes to another process."""
        if _Modes.of_this_thread(self._mode) is not None:
            self._mode.tallies.report("work in another process", self._mode.modules.innermost())

    def close(self) -> None:
        """End the count of all threads. A task that has not ended is reported."""
        with self._mode.lock:
            self._mode.closed = True
        for reference, has_not_ended in self._expected:
            result = reference()
            if result is not None and has_not_ended(result):
                self._mode.tallies.report("a task of another thread that has not ended", "")

    @contextmanager
    def _turn_of_one(self) -> Iterator[None]:
        """Let tasks run one after another, so that they hold the same memory each time.

        A task that waits for another one would wait for ever, so its turn comes after a second at the latest.
        """
        has_turn = self._turn.acquire(timeout=_TURN_SECONDS)
        try:
            yield
        finally:
            if has_turn:
                self._turn.release()


class _Modes:
    """What a thread runs under while it is counted."""

    def __init__(self, mode: CountingMode, function_modes: list[Any]) -> None:
        self._mode = mode
        self._function_modes = function_modes
        self._module = mode.modules.innermost()
        self._inference, self._grad = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    @classmethod
    def of_this_thread(cls, mode: CountingMode) -> _Modes | None:
        """Those of this thread; ``None`` if it is not counted, or runs a part of what is counted as one."""
        if mode not in dispatch_modes() or mode.is_paused:
            return None
        return cls(mode, [m for m in function_modes() if type(m).__module__.startswith(_PACKAGE)])

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Run this thread under them."""
        if self._mode.closed or self._mode in dispatch_modes():
            yield
            return
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode(self._inference))
            stack.enter_context(torch.set_grad_enabled(self._grad))
            stack.enter_context(self._mode.modules.thread(self._module))
            for function_mode in self._function_modes:
                push_function_mode(function_mode)
                stack.callback(pop_function_mode)
            push_dispatch_mode(self._mode)
            stack.callback(pop_dispatch_mode)
            yield


def _holds_tensors(value: Any, depth: int) -> bool:
    """Whether a value is a tensor, has one inside, or is a function over one."""
    if isinstance(value, torch.Tensor):
        return True
    if not depth:
        return False
    if isinstance(value, (list, tuple)):
        inner: list[Any] = list(value)
    elif isinstance(value, dict):
        inner = list(value.values())
    elif isinstance(value, functools.partial):
        inner = [value.func, *value.args, *value.keywords.values()]
    else:
        owner, cells = getattr(value, "__self__", None), getattr(value, "__closure__", None) or ()
        inner = [owner, *(cell.cell_contents for cell in cells if _is_filled(cell))]
        if isinstance(value, torch.nn.Module):
            return True
    return any(_holds_tensors(item, depth - 1) for item in inner)


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - raises where the variable has no value yet
    except ValueError:
        return False
    return True
