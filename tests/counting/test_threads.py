"""Work that a model gives to other threads, and to other processes: counted, or reported by name."""

from __future__ import annotations

import asyncio
import multiprocessing
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest
import torch
from counting import fingerprint
from four_ways import WAYS, rows
from one_attempt import attempt
from torch import nn

from pytest_modelbudget import measure

# Five rows of 8 by a matrix of 8 x 4, all at once or one by one.
X, MACS = (5, 8), 5 * 8 * 4


class Net(nn.Module):
    """A weight, and how the rows of the input are multiplied by it."""

    def __init__(self, run: Callable[[nn.Module, torch.Tensor], Any]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8, 4))
        self.run = run

    def forward(self, x: torch.Tensor) -> Any:
        return torch.stack(list(self.run(lambda row: row @ self.weight, x)))


def in_a_new_pool(function: Any, x: torch.Tensor) -> Any:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(function, x))


def submitted(function: Any, x: torch.Tensor) -> Any:
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(function, row) for row in x]
        return [future.result() for future in futures]


BEFORE = ThreadPoolExecutor(2)
BEFORE_TOO = ThreadPool(2)


@pytest.fixture(scope="module", autouse=True)
def _pools_that_were_there_before() -> Iterator[None]:
    BEFORE.submit(int).result()
    measure(lambda: Net(in_a_new_pool), inputs=X)  # imports what PyTorch needs
    yield
    BEFORE.shutdown()
    BEFORE_TOO.terminate()


def in_threads(function: Any, x: torch.Tensor) -> Any:
    out: dict[int, torch.Tensor] = {}
    threads = [threading.Thread(target=lambda i=i: out.__setitem__(i, function(x[i]))) for i in range(len(x))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [out[i] for i in range(len(x))]


class Worker(threading.Thread):
    def __init__(self, function: Any, row: torch.Tensor) -> None:
        super().__init__()
        self.function, self.row = function, row

    def run(self) -> None:
        self.out = self.function(self.row)


def in_threads_of_a_class(function: Any, x: torch.Tensor) -> Any:
    workers = [Worker(function, row) for row in x]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert "run" not in vars(worker)
    return [worker.out for worker in workers]


def in_a_line(function: Any, x: torch.Tensor) -> Any:
    """A thread that takes rows from a queue, and puts results into another."""
    todo: queue.Queue[Any] = queue.Queue()
    done: queue.Queue[Any] = queue.Queue()

    def work() -> None:
        while (row := todo.get()) is not None:
            done.put(function(row))

    thread = threading.Thread(target=work)
    thread.start()
    for row in (*x, None):
        todo.put(row)
    thread.join()
    return [done.get() for _ in x]


def nested(function: Any, x: torch.Tensor) -> Any:
    with ThreadPoolExecutor(1) as outer:
        return outer.submit(in_a_new_pool, function, x).result()


def waiting_for_each_other(function: Any, x: torch.Tensor) -> Any:
    """A task that waits for the next one."""
    ready = threading.Event()

    def first(row: torch.Tensor) -> Any:
        assert ready.wait(60)
        return function(row)

    def second(row: torch.Tensor) -> Any:
        out = function(row)
        ready.set()
        return out

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(first, x[0]), pool.submit(second, x[1])]
        return [*(future.result() for future in futures), *map(function, x[2:])]


async def _gathered(function: Any, x: torch.Tensor) -> Any:
    return await asyncio.gather(*(asyncio.to_thread(function, row) for row in x))


def in_a_multiprocessing_pool(function: Any, x: torch.Tensor) -> Any:
    with ThreadPool(2) as pool:
        return pool.map(function, list(x))


RUNS: dict[str, Callable[[Any, torch.Tensor], Any]] = {
    "map of a new pool": in_a_new_pool,
    "submit": submitted,
    "map of a pool from before": lambda f, x: BEFORE.map(f, x),
    "partial": lambda f, x: [BEFORE.submit(partial(f, row)).result() for row in x],
    "ThreadPool.map": in_a_multiprocessing_pool,
    "ThreadPool.map, from before": lambda f, x: BEFORE_TOO.map(f, list(x)),
    "ThreadPool.starmap": lambda f, x: BEFORE_TOO.starmap(f, [(row,) for row in x]),
    "ThreadPool.imap": lambda f, x: BEFORE_TOO.imap(f, list(x)),
    "ThreadPool.imap_unordered": lambda f, x: BEFORE_TOO.imap_unordered(f, list(x), chunksize=2),
    "ThreadPool.apply": lambda f, x: [BEFORE_TOO.apply(f, (row,)) for row in x],
    "ThreadPool.apply_async": lambda f, x: [r.get() for r in [BEFORE_TOO.apply_async(f, (row,)) for row in x]],
    "Thread": in_threads,
    "a class of threads": in_threads_of_a_class,
    "a thread with a queue": in_a_line,
    "a pool in a pool": nested,
    "tasks that wait": waiting_for_each_other,
    "asyncio.to_thread": lambda f, x: asyncio.run(_gathered(f, x)),
    "torch.jit.fork": lambda f, x: [torch.jit.wait(t) for t in [torch.jit.fork(f, row) for row in x]],
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", RUNS)
def test_functions_in_threads_are_counted(name: str, way: str) -> None:
    model = Net(RUNS[name])
    before, around = fingerprint.of_model(model), fingerprint.of_process()
    cost = attempt(model, inputs=X, **WAYS[way])
    assert (cost.macs, cost.activations, cost.uncounted) == (MACS, 5 * 4, {})
    assert cost.memory == attempt(Net(lambda f, x: map(f, x)), inputs=X, **WAYS[way]).memory
    assert fingerprint.differences(before, fingerprint.of_model(model)) == []
    assert fingerprint.differences(around, fingerprint.of_process()) == []


@pytest.mark.parametrize("name", ["submit", "ThreadPool.map, from before", "Thread"])
def test_a_training_step_in_threads(name: str) -> None:
    """Forward, and the gradient of the weight; the input needs none."""
    cost = measure(lambda: Net(RUNS[name]), inputs=X, mode="train", optimizer="none")
    assert (cost.macs, cost.uncounted) == (2 * MACS, {})


def test_pools_work_as_before_afterwards() -> None:
    measure(lambda: Net(RUNS["map of a pool from before"]), inputs=X)
    measure(lambda: Net(RUNS["ThreadPool.map, from before"]), inputs=X)

    def look() -> tuple[bool, bool, bool]:
        out = torch.ones(2, 2, requires_grad=True) @ torch.ones(2, 2)
        return out.is_meta, out.is_inference(), out.requires_grad

    assert {BEFORE.submit(look).result() for _ in range(8)} == {(False, False, True)}
    assert set(BEFORE_TOO.starmap(look, [()] * 8)) == {(False, False, True)}


def test_a_pool_that_a_model_keeps_works_as_before_afterwards() -> None:
    class Keeps(nn.Module):
        pools: list[Any] = []  # noqa: RUF012

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 4)

        def forward(self, x: torch.Tensor) -> Any:
            self.pools.append(ThreadPoolExecutor(1))
            return self.pools[-1].submit(torch.mm, x, self.layer.weight.t()).result()

    assert measure(Keeps, inputs=X).macs == MACS
    (pool,) = Keeps.pools
    out = pool.submit(lambda: torch.ones(2, 2) @ torch.ones(2, 2)).result()
    assert (out.is_meta, out.is_inference()) == (False, False)
    pool.shutdown()


class Two(nn.Module):
    """Two layers, called in any way."""

    def __init__(self, run: Any) -> None:
        super().__init__()
        self.here, self.there = nn.Linear(8, 4), nn.Sequential(nn.Linear(8, 4))
        self.run = run

    def forward(self, x: torch.Tensor) -> Any:
        return self.run(self, x)


def beside(model: Any, x: torch.Tensor) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return model.here(x) + pool.submit(model.there, x).result()


@pytest.mark.parametrize("way", WAYS)
def test_modules_in_threads_have_their_rows(way: str) -> None:
    cost = attempt(lambda: Two(beside), inputs=X, **WAYS[way])
    assert (cost.macs, cost.uncounted) == (2 * MACS, {})
    assert rows(cost) == rows(attempt(lambda: Two(lambda m, x: m.here(x) + m.there(x)), inputs=X, **WAYS[way]))


def replicas(model: Any, x: torch.Tensor) -> Any:
    """As ``torch.nn.parallel.parallel_apply`` runs copies of a model, each in a thread with autograd as it is here."""
    results: dict[int, Any] = {}
    grad, low = torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")

    def work(i: int, part: torch.Tensor) -> None:
        with torch.set_grad_enabled(grad), torch.autocast("cpu", enabled=low):
            results[i] = model.there(part)

    threads = [threading.Thread(target=work, args=(i, part)) for i, part in enumerate(x.split([2, 3]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return torch.cat([results[0], results[1]])


def test_replicas_in_threads() -> None:
    cost = measure(lambda: Two(replicas), inputs=X)
    assert (cost.macs, cost.by_module()["there.0"].macs, cost.by_module()["there"].calls) == (MACS, MACS, 2)
    assert measure(lambda: Two(replicas), inputs=X, mode="train", optimizer="none", amp="bf16").macs == 2 * MACS


def test_autocast_does_not_follow_into_a_thread() -> None:
    """As in PyTorch. The products of 5 x 4 are 2 bytes each here and 4 there, and so is their sum."""
    seen = {}

    def forward(model: Any, x: torch.Tensor) -> Any:
        with ThreadPoolExecutor(1) as pool:
            seen["there"] = pool.submit(model.there, x).result().dtype
            seen["here"] = model.here(x).dtype
        return x

    measure(lambda: Two(forward), inputs=X, amp="bf16")
    assert seen == {"there": torch.float32, "here": torch.bfloat16}


def test_errors_of_a_thread_are_those_of_the_model() -> None:
    def fails(row: torch.Tensor) -> Any:
        raise ArithmeticError("in a thread")

    with pytest.raises(Exception, match="in a thread"):
        measure(lambda: Net(lambda f, x: BEFORE.map(fails, x)), inputs=X)
    assert measure(lambda: Net(RUNS["submit"]), inputs=X).macs == MACS


def test_what_a_thread_reads_runs_for_real() -> None:
    def read(function: Any, x: torch.Tensor) -> Any:
        return BEFORE.map(lambda row: function(row) * float(row.sum()), x)

    cost = measure(lambda: Net(read), inputs=X)
    assert (cost.macs, cost.executed, cost.uncounted) == (MACS, "real", {})


# -- what cannot be seen -----------------------------------------------------------------------------------------------


class Line:
    """A thread of one's own that is there before the count, and takes from a queue."""

    def __init__(self) -> None:
        self.todo: queue.Queue[Any] = queue.Queue()
        self.done: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=self.work, daemon=True).start()

    def work(self) -> None:
        while (task := self.todo.get()) is not None:
            self.done.put(task())

    def map(self, function: Any, x: torch.Tensor) -> Any:
        for row in x:
            self.todo.put(lambda row=row: function(row))
        return [self.done.get() for _ in x]


def test_a_thread_from_before_that_takes_tensors_is_reported() -> None:
    line = Line()
    try:
        cost = measure(lambda: Net(line.map), inputs=X)
    finally:
        line.todo.put(None)
    assert cost.uncounted == {"tensors given to a thread that was there before": 5}


def test_a_thread_from_before_that_takes_none_is_not() -> None:
    line = Line()
    try:
        cost = measure(lambda: Net(lambda f, x: [f(row) for row in x if line.map(int, [1]) is not None]), inputs=X)
    finally:
        line.todo.put(None)
    assert (cost.macs, cost.uncounted) == (MACS, {})


def test_a_module_called_by_a_thread_from_before_is_reported() -> None:
    line = Line()

    def forward(model: Any, x: torch.Tensor) -> Any:
        line.todo.put(partial(model.there, x))
        return model.here(x) + line.done.get()

    try:
        cost = measure(lambda: Two(forward), inputs=X)
    finally:
        line.todo.put(None)
    assert cost.macs == MACS
    assert cost.uncounted_in["a module called in another thread"] == ("there", "there.0")


def add(a: int, b: int) -> int:
    return a + b


def in_a_process(function: Any, x: torch.Tensor) -> Any:
    process = multiprocessing.get_context("fork").Process(target=add, args=(1, 2))
    process.start()
    process.join()
    return map(function, x)


def in_a_process_pool(function: Any, x: torch.Tensor) -> Any:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        assert pool.submit(add, 1, 2).result() == 3
    return map(function, x)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("run", [in_a_process, in_a_process_pool])
def test_work_in_another_process_is_reported(run: Any) -> None:
    cost = measure(lambda: nn.Sequential(Net(run)), inputs=X)
    assert cost.macs == MACS
    assert cost.uncounted_in == {"work in another process": ("0",)}


def test_a_task_that_nobody_waits_for_is_reported() -> None:
    go = threading.Event()

    def leave(function: Any, x: torch.Tensor) -> Any:
        BEFORE.submit(go.wait, 60)
        return map(function, x)

    cost = measure(lambda: Net(leave), inputs=X)
    go.set()
    assert (cost.macs, cost.uncounted) == (MACS, {"a task of another thread that has not ended": 1})
