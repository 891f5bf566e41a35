"""The tables of the study of learning, and what each claim came to: its number, and whether it holds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tables import markdown
from tabulate import tabulate
from training import Run

from pytest_modelbudget import Cost
from pytest_modelbudget.values.metrics import show


@dataclass(frozen=True)
class Cell:
    """The runs of one batch and resolution from all seeds, and what was predicted for it."""

    batch: int
    res: int
    runs: tuple[Run, ...]
    cost: Cost

    def median(self, name: str) -> float | None:
        """The median over seeds; ``None`` where half of them have none."""
        values = sorted(math.inf if (value := getattr(run, name)) is None else value for run in self.runs)
        found = statistics.median(values)
        return None if math.isinf(found) else found

    @property
    def test(self) -> tuple[float, float]:
        """Mean and standard deviation of the test accuracy, in percent."""
        values = [100 * run.test_accuracy for run in self.runs]
        return statistics.mean(values), statistics.stdev(values)

    @property
    def gap(self) -> float:
        """How much better it knows what it was trained on, in percent."""
        return statistics.mean(100 * (run.train_accuracy - run.test_accuracy) for run in self.runs)

    @property
    def samples_per_second(self) -> float:
        """In training."""
        return self.batch / statistics.median(run.step_seconds for run in self.runs)

    @property
    def predicted_seconds(self) -> float:
        assert self.cost.throughput is not None
        return self.cost.throughput.seconds

    @property
    def measured_seconds(self) -> float:
        """Of a step that has the machine for itself, as the calibration had."""
        assert self.cost.measured is not None
        return self.cost.measured.nanoseconds / 1e9

    @property
    def time_error(self) -> float:
        """Of the predicted time of a step, as a share of the measured one."""
        return self.predicted_seconds / self.measured_seconds - 1

    @property
    def memory_error(self) -> float:
        """Of the predicted peak, as a share of the measured one."""
        assert self.cost.memory is not None
        assert self.cost.measured is not None
        return self.cost.memory / self.cost.measured.memory - 1


def cells(runs: Iterable[Run], costs: dict[tuple[int, int], Cost]) -> list[Cell]:
    """By resolution, then batch."""
    every = list(runs)
    keys = sorted({(run.res, run.batch) for run in every})
    return [
        Cell(batch, res, tuple(run for run in every if (run.res, run.batch) == (res, batch)), costs[batch, res])
        for res, batch in keys
    ]


# ---------------------------------------------------------------------------------------------------------- claims


@dataclass(frozen=True)
class Claim:
    """What the study says, what was found, and whether it holds: yes, no, or in part."""

    about: str
    says: str
    found: str
    holds: str


def yes(*parts: bool) -> str:
    return "yes" if all(parts) else "in part" if any(parts) else "no"


def exponent(xs: Sequence[float], ys: Sequence[float]) -> float:
    """The slope of a line through the logarithms, by least squares."""
    logs = [math.log(x) for x in xs], [math.log(y) for y in ys]
    return statistics.linear_regression(*logs).slope


def claims(study: Any) -> Iterator[Claim]:
    grid = {(cell.batch, cell.res): cell for cell in cells(study.runs, study.costs)}
    batches, sides = sorted({b for b, _ in grid}), sorted({r for _, r in grid})
    small, large, low, high = batches[0], batches[-1], sides[0], sides[-1]
    more, wider = large / small, high / low

    by_batch = grid[large, high].cost.flops / grid[small, high].cost.flops
    by_side = grid[small, high].cost.flops / grid[small, low].cost.flops
    yield Claim(
        "compute", "a step costs in proportion to the batch and to the square of the side",
        f"{more:g} times the batch: {by_batch:.4g} times the FLOPs; {wider:g} times the side: {by_side:.3g} times "
        f"(the square is {wider**2:g}; an odd side halves to half a row more)",
        yes(math.isclose(by_batch, more, rel_tol=1e-3), math.isclose(by_side, wider**2, rel_tol=0.1)),
    )  # fmt: skip
    parameters = {cell.cost.params for cell in grid.values()}
    yield Claim(
        "parameters", "they depend on neither", f"{', '.join(map(str, sorted(parameters)))} in all {len(grid)} cells",
        yes(len(parameters) == 1),
    )  # fmt: skip
    memory = [grid[batch, high].cost.memory for batch in batches]
    errors = [abs(cell.memory_error) for cell in grid.values()]
    yield Claim(
        "memory", "a floor, then in proportion to the batch, and known before the run",
        f"{more:g} times the batch: {memory[-1] / memory[0]:.3g} times the peak; the measured peak "
        + ("is the predicted one, to the byte, in every cell" if not any(errors)
           else f"is within {100 * max(errors):.2g} % of the predicted one in every cell"),
        yes(memory[-1] / memory[0] < more, max(errors) < 0.01),
    )  # fmt: skip
    for res in sides:
        speeds = {batch: grid[batch, res].samples_per_second for batch in batches}
        pays = min(batch for batch in batches if speeds[batch] >= 0.9 * max(speeds.values()))
        yield Claim(
            f"speed at {res} pixels", "a larger batch is faster, up to where it stops to pay",
            f"{speeds[small]:,.0f} samples/s at batch {small}, {max(speeds.values()):,.0f} at most; "
            + (f"batch {pays} has 90 % of that" if pays < large else f"it still pays at batch {large}"),
            yes(speeds[small] < 0.9 * max(speeds.values()), pays < large),
        )  # fmt: skip
    steps = {batch: grid[batch, high].median("steps_to_target") for batch in batches}
    times = {batch: grid[batch, high].median("seconds_to_target") for batch in batches}
    reached = {batch: time for batch, time in times.items() if time is not None}
    if reached:
        best, first, last = min(reached, key=lambda b: reached[b]), min(reached), max(reached)
        fewer = steps[first] / steps[last]
        yield Claim(
            "time to accuracy", "a larger batch needs fewer steps, but not fewer by as much as it is larger",
            f"at {high} pixels {last / first:g} times the batch reaches the target in {fewer:.2g} times fewer steps; "
            f"soonest is batch {best}, after {reached[best]:.1f} s"
            + ("" if last == large else f", and batch {large} does not reach it"),
            yes(fewer < last / first, fewer > 1),
        )  # fmt: skip
    slope = exponent(list(study.noise), list(study.noise.values()))
    yield Claim(
        "stability of a step", "the noise of the gradient falls with the root of the batch",
        f"{study.noise[small]:.2g} of the gradient's length at batch {small}, {study.noise[large]:.2g} at {large}: "
        f"batch^{slope:.2f}", yes(abs(slope + 0.5) < 0.1),
    )  # fmt: skip
    spreads = {batch: statistics.mean(grid[batch, res].test[1] for res in sides) for batch in batches}
    yield Claim(
        "stability of a run", "runs with a larger batch differ less from seed to seed",
        "standard deviation of the test accuracy, mean over resolutions: "
        + ", ".join(f"{spreads[b]:.2f} points at batch {b}" for b in batches),
        yes(all(spreads[a] > spreads[b] for a, b in pairwise(batches))),
    )  # fmt: skip
    tests = {batch: statistics.mean(grid[batch, res].test[0] for res in sides) for batch in batches}
    yield Claim(
        "generalisation, batch", "in as many epochs, a larger batch ends at a lower accuracy",
        ", ".join(f"{tests[b]:.1f} % at batch {b}" for b in batches),
        yes(tests[large] < tests[small] - spreads[small]),
    )  # fmt: skip
    at, rate = study.same_rate[0].res, study.same_rate[0].rate
    base = next(run.batch for run in study.runs if run.rate == rate)
    same = {cell.batch: cell.test[0] for cell in cells(study.same_rate, study.costs)}
    scaled = {batch: grid[batch, at].test[0] for batch in batches}
    yield Claim(
        "generalisation, rate", "most of that is the learning rate, which has to grow with the batch",
        f"at {at} pixels and batch {large}: {same[large]:.1f} % with the rate of batch {base}, {scaled[large]:.1f} % "
        f"with {large / base:g} times that; batch {small} has {scaled[small]:.1f} %",
        yes(scaled[small] - scaled[large] < (scaled[small] - same[large]) / 2),
    )  # fmt: skip
    best_of = {res: max(grid[batch, res].test[0] for batch in batches) for res in sides}
    yield Claim(
        "generalisation, resolution", "more pixels are more accurate",
        ", ".join(f"{best_of[r]:.1f} % at {r} pixels" for r in sides) + " (the best batch of each)",
        yes(*(best_of[a] < best_of[b] for a, b in pairwise(sides))),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ text


def row(cell: Cell) -> list[str]:
    mean, spread = cell.test
    steps, seconds = cell.median("steps_to_target"), cell.median("seconds_to_target")
    measured = cell.cost.measured
    assert measured is not None
    return [
        str(cell.res), str(cell.batch), show(cell.cost.flops, "flops"),
        "-" if steps is None else f"{steps:,.0f}", "-" if seconds is None else f"{seconds:.1f} s",
        f"{mean:.1f} ± {spread:.1f} %", f"{cell.gap:.1f}",
        f"{1e3 * cell.measured_seconds:.2f} ms", f"{1e3 * cell.predicted_seconds:.2f} ms",
        show(measured.memory, "memory"), show(cell.cost.memory or 0, "memory"),
    ]  # fmt: skip


HEADERS = (
    "res", "batch", "FLOPs of a step", "steps to target", "time to target", "test accuracy", "gap to training",
    "step, measured", "step, predicted", "memory, measured", "memory, predicted",
)  # fmt: skip


def document(study: Any) -> str:
    grid = cells(study.runs, study.costs)
    runs, seeds = len(study.runs) + len(study.same_rate), len(grid[0].runs)
    seen = study.runs[0].steps * study.runs[0].batch
    off = 100 * statistics.median(abs(cell.time_error) for cell in grid)
    said = [[claim.about, claim.says, claim.found, claim.holds] for claim in claims(study)]
    shown = tabulate(said, ["about", "the study says", "found here", "holds"], tablefmt="pipe", disable_numparse=True)
    return f"""# What batch and resolution do to learning

Made by `learning.py`: {runs} runs from {seeds} seeds each, {seen:,} pictures seen in each. The learning rate is in
proportion to the batch, but where it is said to be the same for all. Times and steps are medians of the seeds, the
test accuracy is their mean and standard deviation, the gap how much better the pictures are known that were trained
on. Times are those of one thread. The time of a step is measured alone, and predicted after `modelbudget calibrate`
(median error {off:.0f} %).

## The claims

{shown}

## The cells

{markdown([row(cell) for cell in grid], HEADERS)}
"""
