"""Every counter on every model: value, time, memory; and how both grow with batch and resolution."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

from . import counters, models, process

GROWTH_MODEL = "ResNet-50"


class Counting:
    """One counter on one model, in a process that has done nothing else."""

    def __init__(self, counter: str, case: str) -> None:
        counters.quiet()
        self._counter = counters.BY_NAME[counter]
        self._case = models.BY_NAME[case]
        self._model: Any = None

    def first(self) -> dict[str, Any]:
        """Import the counter, build the model, count: cold, the build included."""
        before = process.memory()
        start = time.perf_counter()
        self._counter.load()
        value = self._build_and_count()
        seconds = time.perf_counter() - start
        return {"macs": value, "cold": seconds, "peak": process.peak_memory(), "before": before}

    def again(self) -> dict[str, Any]:
        """Warm: build and count, and count alone, with nothing remembered from before."""
        built = process.median_seconds(self._build_and_count, before=counters.forget)
        return {"built": built, **self.at(1, self._case.size)}

    def at(self, batch: int, size: int) -> dict[str, Any]:
        """Count alone at one point: the model is built already, and the input made."""
        if self._model is None:
            self._model = self._case.factory().eval()
        example = None if self._counter.is_ours else self._case.example(batch, size)
        point = self._case.point(batch, size)
        values = []
        process.reset_peak()
        before = process.memory()
        seconds = process.median_seconds(
            lambda: values.append(self._counter.count(self._model, example, point)), before=counters.forget
        )
        return {"macs": values[-1], "counted": seconds, "peak": process.peak_memory(), "before": before}

    def _build_and_count(self) -> float:
        case = self._case
        point = case.point(1, case.size)
        if self._counter.is_ours:
            return self._counter.count(case.factory, None, point)
        return self._counter.count(case.factory().eval(), case.example(1, case.size), point)


def compare(rounds: int, limit: float, report: Any) -> list[dict[str, Any]]:
    """One row for each counter and model. Counters take turns; new rounds start until ``limit`` seconds are over."""
    start = time.monotonic()
    cells = {(case.name, c.name): Cell(case.name, c.name) for case in models.CASES for c in counters.COUNTERS}
    for turn in range(rounds):
        if turn and (time.monotonic() - start) * (turn + 1) / turn > limit:
            break
        for case in models.CASES:
            report(f"comparison, round {turn + 1}: {case.name}")
            for counter in _in_turn(counters.COUNTERS, turn):
                cells[case.name, counter.name].measure()
    return [cell.row() for cell in cells.values()]


class Cell:
    """What one counter says of one model, over several processes."""

    def __init__(self, case: str, counter: str) -> None:
        self._case, self._counter = case, counter
        self._samples: list[dict[str, Any]] = []
        self._error: str | None = None

    def measure(self) -> None:
        """One more process, unless the first one failed."""
        if self._error is not None:
            return
        worker = process.Worker(Counting, self._counter, self._case)
        try:
            sample = worker.ask("first")
            self._samples.append(sample)  # a second count that fails is worth knowing; the first one counts
            sample |= {f"warm_{name}": value for name, value in worker.ask("again").items()}
        except process.Failed as failed:
            self._error = str(failed)
        finally:
            worker.close()

    def row(self) -> dict[str, Any]:
        """Medians, and the error against the truth."""
        case = models.BY_NAME[self._case]
        truth = case.truth(1, case.size)
        row: dict[str, Any] = {
            "model": self._case, "counter": self._counter, "truth": truth, "error": self._error,
            "samples": len(self._samples),
        }  # fmt: skip
        if self._samples:
            row["macs"] = self._samples[0]["macs"]
            row["difference"] = row["macs"] / truth - 1
            if "warm_macs" in self._samples[0]:
                row["macs_second_time"] = self._samples[0]["warm_macs"]
        for name, field in (("cold", "cold"), ("built", "warm_built"), ("counted", "warm_counted")):
            values = [sample[field] for sample in self._samples if field in sample]
            row[f"{name}_seconds"] = statistics.median(values) if values else None
        for name in ("peak", "before"):
            values = [sample[name] for sample in self._samples if sample.get(name)]
            row[f"{name}_bytes"] = int(statistics.median(values)) if values else None
        return row


def grow(batches: list[int], resolutions: list[int], report: Any) -> list[dict[str, Any]]:
    """Every counter on one model at several batches and resolutions; at each point they take turns."""
    case = models.BY_NAME[GROWTH_MODEL]
    workers = {counter.name: process.Worker(Counting, counter.name, case.name) for counter in counters.COUNTERS}
    failed: dict[str, str] = {}
    rows = []
    try:
        for name, worker in workers.items():
            try:
                worker.ask("at", 1, case.size)  # warm
            except process.Failed as failure:
                failed[name] = str(failure)
        for turn, (axis, value) in enumerate([("batch", b) for b in batches] + [("res", r) for r in resolutions]):
            batch, size = (value, case.size) if axis == "batch" else (1, value)
            report(f"growth: {case.name} at batch {batch}, res {size}")
            for counter in _in_turn(counters.COUNTERS, turn):
                row = {"counter": counter.name, "axis": axis, "value": value, "truth": case.truth(batch, size)}
                if counter.name not in failed:
                    try:
                        row |= workers[counter.name].ask("at", batch, size)
                    except process.Failed as failure:
                        failed[counter.name] = str(failure)
                rows.append(row | {"error": failed.get(counter.name)})
    finally:
        for worker in workers.values():
            worker.close()
    return rows


def _in_turn(items: tuple[Any, ...], turn: int) -> Iterator[Any]:
    """All of them, beginning with another one each time."""
    first = turn % len(items)
    yield from items[first:]
    yield from items[:first]
