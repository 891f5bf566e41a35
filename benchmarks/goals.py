"""The speed goals: this package against fvcore, in one process each, the two taking turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from . import counters, models, process

MODELS = ("ResNet-50", "ViT-B/16", "Swin-T")
FEW = 1 << 30  # a gigabyte


class Against:
    """One model, counted by this package and by fvcore."""

    def __init__(self, case: str) -> None:
        counters.quiet()
        self._case = models.BY_NAME[case]
        self._model = self._case.factory().eval()
        self._other = self._case.factory().eval()
        for counter in ("fvcore", counters.OURS):
            self._count(counter, self._model, 1)  # warm

    def alone(self, batch: int = 1) -> float:
        """How many times faster it counts a model that is there, with nothing remembered."""
        ours = self._ours(lambda: self._count(counters.OURS, self._model, batch), counters.forget)
        return self._fvcore(batch) / ours

    def built(self) -> float:
        """How many times faster a factory is built and counted."""
        case = self._case
        ours = self._ours(lambda: self._count(counters.OURS, case.factory, 1), counters.forget)
        example = case.example(1, case.size)
        theirs = process.seconds(lambda: self._count("fvcore", case.factory().eval(), 1, example))
        return theirs / ours

    def second_point(self, batch: int = 2) -> float:
        """How many times faster the same model is counted at a second batch, as a sweep does."""

        def first() -> None:
            counters.forget()
            self._count(counters.OURS, self._model, 1)

        ours = self._ours(lambda: self._count(counters.OURS, self._model, batch), first)
        return self._fvcore(batch) / ours

    def growth(self, axis: str, values: list[int]) -> list[float]:
        """The time at each value of ``axis``, as a multiple of that at the first."""
        taken = []
        for value in (values[0], *values):  # the first one twice: it warms up
            batch, size = (value, self._case.size) if axis == "batch" else (1, value)
            point = self._case.point(batch, size)
            count = counters.BY_NAME[counters.OURS].count
            taken.append(self._ours(partial(count, self._model, None, point), counters.forget, times=5))
        return [seconds / taken[1] for seconds in taken[1:]]

    def _ours(self, count: Callable[[], Any], before: Callable[[], Any], times: int = 3) -> float:
        return process.median_seconds(count, times=times, enough=5.0, before=before)

    def _fvcore(self, batch: int) -> float:
        example = self._case.example(batch, self._case.size)
        return process.seconds(lambda: self._count("fvcore", self._model, batch, example))

    def _count(self, counter: str, model: Any, batch: int, example: torch.Tensor | None = None) -> float:
        if counter != counters.OURS and example is None:
            example = self._case.example(batch, self._case.size)
        return counters.BY_NAME[counter].count(model, example, self._case.point(batch, self._case.size))


class Large:
    """A large language model, which exists on the meta device alone."""

    def __init__(self, name: str) -> None:
        counters.quiet()
        self._name = name
        self._tokens = 2048

    def against_forward(self) -> float:
        """The time of a count over that of a bare forward pass on meta; nothing is remembered."""
        if not hasattr(self, "_model"):
            with torch.device("meta"):
                self._model = models.llama(self._name).eval()
                self._ids = torch.zeros((1, self._tokens), dtype=torch.int64)
            self._forward(), self._count()  # warm
        forward = process.median_seconds(self._forward, enough=10.0)
        return process.median_seconds(self._count, enough=10.0, before=counters.forget) / forward

    def built_and_counted(self) -> dict[str, Any]:
        """What building and counting gives and needs, in a process that does nothing else."""
        cost = counters.BY_NAME[counters.OURS].count(self._factory, None, {"batch": 1, "seq": self._tokens})
        return {"macs": cost, "peak": process.peak_memory()}

    def _factory(self) -> Any:
        return models.llama(self._name)

    def _forward(self) -> None:
        with torch.inference_mode():
            self._model(self._ids)

    def _count(self) -> float:
        return counters.BY_NAME[counters.OURS].count(self._model, None, {"batch": 1, "seq": self._tokens})


RATIOS = {
    "alone": ("count alone, batch 1, 224 pixels", 20, "alone", ()),
    "built": ("a factory built and counted", 25, "built", ()),
    "second": ("a second operating point of the same model", 40, "second_point", ()),
    "batch32": ("count alone, batch 32", 300, "alone", (32,)),
}
GROWTHS = (
    ("ResNet-50", "batch", [1, 4, 32, 256, 1024]),
    ("ViT-B/16", "batch", [1, 4, 32, 256, 1024]),
    ("Swin-T", "batch", [1, 4, 32, 256, 1024]),
    ("ResNet-50", "res", [64, 128, 224, 512, 1024, 2048]),
    ("U-Net", "res", [64, 128, 224, 512, 1024, 2048]),
)


def measure(rounds: int, limit: float, report: Any) -> list[dict[str, Any]]:
    """One row for each goal: what was asked, what was measured. A model that fails says so in its row."""
    rows = [*_ratios(rounds, limit, report), *_growths(rounds, report)]
    for name in ("Llama-2-7B", "Llama-2-70B"):
        report(f"goals: {name}")
        rows += _large(name, rounds)
    return rows


def _ratios(rounds: int, limit: float, report: Any) -> list[dict[str, Any]]:
    workers = {name: process.Worker(Against, name) for name in MODELS}
    rows = []
    try:
        for text, goal, method, arguments in RATIOS.values():
            report(f"goals: {text}")
            start, done = time.monotonic(), 0
            taken: dict[str, list[float]] = {name: [] for name in MODELS}
            error = None
            while done < rounds and (not done or time.monotonic() - start < limit):
                for name, worker in workers.items():
                    try:
                        taken[name].append(worker.ask(method, *arguments))
                    except process.Failed as failed:
                        error = f"{name}: {failed}"
                done += 1
            rows.append(ratio_row(text, goal, taken, error))
    finally:
        for worker in workers.values():
            worker.close()
    return rows


def ratio_row(text: str, goal: float, taken: dict[str, list[float]], error: str | None = None) -> dict[str, Any]:
    """The median for each model, and the geometric mean over the models."""
    each = {name: statistics.median(values) for name, values in taken.items() if values}
    measured = statistics.geometric_mean(each.values()) if each and error is None else None
    return {
        "goal": text, "wanted": goal, "unit": "times faster than fvcore", "measured": measured, "each": each,
        "rounds": min(map(len, taken.values())), "met": measured is not None and measured >= goal, "error": error,
    }  # fmt: skip


def _growths(rounds: int, report: Any) -> list[dict[str, Any]]:
    rows = []
    for name, axis, values in GROWTHS:
        report(f"goals: {name} with {axis}")
        worker = process.Worker(Against, name)
        try:
            taken = [worker.ask("growth", axis, values) for _ in range(rounds)]
            rows.append(growth_row(name, axis, values, taken))
        except process.Failed as failed:
            rows.append(growth_row(name, axis, values, [], str(failed)))
        finally:
            worker.close()
    return rows


def growth_row(
    name: str, axis: str, values: list[int], taken: list[list[float]], error: str | None = None
) -> dict[str, Any]:
    """The median over the rounds at each value, and the largest of them."""
    each = {value: statistics.median(times) for value, times in zip(values, zip(*taken, strict=True), strict=False)}
    worst = max(each.values()) if each else None
    return {
        "goal": f"{name}: no growth with {axis} {values[0]} to {values[-1]}", "wanted": 1.1,
        "unit": f"times that of {axis} {values[0]} at most", "measured": worst, "each": each, "rounds": len(taken),
        "met": worst is not None and worst <= 1.1, "error": error,
    }  # fmt: skip


def _large(name: str, rounds: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    text = f"{name}, 2,048 tokens, bfloat16"
    worker = process.Worker(Large, name)
    try:
        taken = [worker.ask("against_forward") for _ in range(rounds)]
        value = statistics.median(taken)
        rows.append(_limit(f"{text}: counted", 1.0, "of a bare forward on meta at most", value, rounds))
    except process.Failed as failed:
        rows.append(_limit(f"{text}: counted", 1.0, "of a bare forward on meta at most", None, 0, str(failed)))
    finally:
        worker.close()
    worker = process.Worker(Large, name)
    unit = "GiB of process memory at most"
    try:
        found = worker.ask("built_and_counted")
        peak = found["peak"] / FEW if found["peak"] else None
        error = None if peak else "this system does not say"
        rows.append(_limit(f"{text}: built and counted", 1e9 / FEW, unit, peak, 1, error))
    except process.Failed as failed:
        rows.append(_limit(f"{text}: built and counted", 1e9 / FEW, unit, None, 0, str(failed)))
    finally:
        worker.close()
    return rows


def _limit(
    text: str, wanted: float, unit: str, measured: float | None, rounds: int, error: str | None = None
) -> dict[str, Any]:
    return {
        "goal": text, "wanted": wanted, "unit": unit, "measured": measured, "each": {}, "rounds": rounds,
        "met": measured is not None and measured <= wanted, "error": error,
    }  # fmt: skip
