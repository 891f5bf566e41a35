"""Counting a grid of operating points in few counts: corners are watched, and what follows from them is not counted.

`affine` decides where counts at three batches give those between. Everything else is counted point by point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from typing import Any

from ..errors import BudgetError, ModelError, TargetError, UsageError
from ..targets.found import FoundTarget
from ..values.cost import Cost
from ..values.course import Course
from ..values.fits import Accuracy
from ..values.metrics import metric_names
from ..values.point import OperatingPoint, axis_names
from ..values.request import Request
from .lines import Line, line, on_line

Progress = Callable[[int, int], None]
"""Called with the points known so far, and with all of them."""


@dataclass(frozen=True)
class Counted:
    """What one count gave: metrics, or the reason of a refusal; the course if it was watched and could be.

    ``accuracies`` say how far off those metrics are that are estimates.
    """

    values: Mapping[str, int] = field(default_factory=dict)
    refused: str = ""
    executed: str = "meta"
    uncounted: tuple[str, ...] = ()
    course: Course | None = None
    accuracies: Mapping[str, Accuracy] = field(default_factory=dict)


def count_once(target: FoundTarget, request: Request, *, watch: bool) -> Counted:
    """Count once, as `measure` does, and record the course if ``watch``. A model that refuses the point is no error.

    Raises `BudgetError` for what is wrong at every point: a factory that fails, arguments that cannot be meant.
    """
    from ..counting.measure import count
    from ..counting.recording.course import record_course

    course = None
    with ExitStack() as stack:
        watched = stack.enter_context(record_course(sizes=True)) if watch else None
        try:
            cost = count(target.model, request)
        except ModelError as error:
            return Counted(refused=reason(error))
        except TargetError as error:
            if error.__cause__ is None:
                raise
            return Counted(refused=reason(error))
        if watched is not None and cost.executed == "meta":
            course = watched.course()
    return Counted(
        metrics_of(cost),
        executed=cost.executed,
        uncounted=tuple(sorted(cost.uncounted)),
        course=course,
        accuracies=cost.accuracies,
    )


def metrics_of(cost: Cost) -> dict[str, int]:
    """The metrics that a cost has."""
    return {metric: value for metric in metric_names() if (value := cost.metric(metric)) is not None}


def reason(error: BudgetError) -> str:
    """Why a model refuses a point, in one short line: its own error, not ours."""
    cause = error.__cause__
    text = f"{type(cause).__name__}: {cause}" if cause is not None else str(error)
    line = " ".join((text.splitlines() or [""])[0].split())
    return line if len(line) <= 100 else f"{line[:97]}..."


@dataclass
class Grid:
    """The points of one model in one dtype and mode, and what is known of them.

    ``known`` are the answers, ``courses`` the counts that were watched. ``lines`` says that a count at a few batches
    may give the others.
    """

    target: str
    model: FoundTarget
    points: list[OperatingPoint]
    request: Request
    lines: bool
    known: dict[OperatingPoint, Counted] = field(default_factory=dict)
    courses: dict[OperatingPoint, Counted] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Sort the points into rows of one size."""
        self.batches = sorted({point.batch for point in self.points if point.batch is not None})
        rows: dict[Any, dict[int, OperatingPoint]] = {}
        for point in self.points:
            rows.setdefault(_size(point), {})[point.batch or 0] = point
        self.rows = sorted(rows.values(), key=lambda row: _extent(next(iter(row.values()))))
        self.lines = self.lines and len(self.batches) > 3
        self.stage = 0

    def wanted(self) -> list[tuple[OperatingPoint, bool]]:
        """The points to count next, and whether to watch how; none when all is known."""
        while self.stage < len(_STAGES):
            found = _STAGES[self.stage](self)
            self.stage += 1
            if found:
                return found
        return []

    def take(self, point: OperatingPoint, watched: bool, counted: Counted) -> None:
        """A point was counted."""
        if watched:
            self.courses[point] = counted
        else:
            self.known[point] = counted

    # -- the stages: corners watched, one plain count to see that watching changes nothing, the rows between, the rest

    def _three(self) -> tuple[int, int, int]:
        low, high = self.batches[0], self.batches[-1]
        inner = self.batches[1:-1]
        return low, min(inner, key=lambda batch: abs(2 * batch - low - high)), high

    def corners(self) -> list[tuple[OperatingPoint, bool]]:
        """Three batches at the smallest and at the largest size."""
        if not self.lines:
            return []
        ends = self.rows if len(self.rows) < 2 else [self.rows[0], self.rows[-1]]
        return [(row[batch], True) for row in ends for batch in self._three()]

    def plain(self) -> list[tuple[OperatingPoint, bool]]:
        """The largest point that is accepted once more, unwatched: a model may take offence at watched sizes."""
        accepted = [point for point, counted in self.courses.items() if not counted.refused]
        return [(max(accepted, key=lambda p: (_extent(p), p.batch)), False)] if accepted else []

    def between(self) -> list[tuple[OperatingPoint, bool]]:
        """Rows whose batches follow from one count, if the two at the ends are alike; from three, if not."""
        self.lines = self.lines and all(
            self.courses[point].values == counted.values for point, counted in self.known.items()
        )
        if not self.lines or not self.known:
            self.lines = False
            return []
        for row in (self.rows[0], self.rows[-1]):
            self._settle(row)
        batches = [self.batches[-1]] if self._pattern() is not None else self._three()
        return [(row[batch], True) for row in self.rows[1:-1] for batch in batches]

    def again(self) -> list[tuple[OperatingPoint, bool]]:
        """Rows that one count did not settle get the other two."""
        if not self.lines:
            return []
        pattern = self._pattern()
        if pattern is not None:
            for row in self.rows[1:-1]:
                self._follow(row, pattern)
        missing = []
        for row in self.rows[1:-1]:
            if any(point not in self.known for point in row.values()):
                missing += [(row[b], True) for b in self._three() if row[b] not in self.courses]
        return missing

    def rest(self) -> list[tuple[OperatingPoint, bool]]:
        """Whatever is not known is counted for itself."""
        if self.lines:
            for row in self.rows[1:-1]:
                self._settle(row)
        return [(point, False) for point in self.points if point not in self.known]

    def _settle(self, row: dict[int, OperatingPoint]) -> Line | None:
        """Know a whole row from its three counts, if they are on a line."""
        at = self._three()
        counted = [self.courses.get(row[batch]) for batch in at]
        if any(one is None or one.course is None for one in counted):
            return None
        first, second, third = (one for one in counted if one is not None)
        lines = metric_names(line=True)
        found = line([(b, c.course) for b, c in zip(at, (first, second, third), strict=True) if c.course], self.batches)
        if found is None or first.uncounted != third.uncounted:
            return None
        low, middle, high = at
        pairs = {metric: (first.values[metric], third.values[metric]) for metric in first.values}
        for metric, (a, c) in pairs.items():
            if metric in lines and (second.values[metric] - a) * (high - low) != (c - a) * (middle - low):
                return None
        for batch, point in row.items():
            values = {m: on_line(a, c, low, high, batch) for m, (a, c) in pairs.items() if m in lines}
            self.known[point] = Counted(values, uncounted=first.uncounted)
        return found

    def _pattern(self) -> Line | None:
        """How calls move with the batch, if at both ends in the same way, and each in proportion or not at all."""
        if len(self.rows) < 3:
            return None
        lines = [self._settle(self.rows[0]), self._settle(self.rows[-1])]
        first, last = lines
        if first is None or first != last or not first.plain:
            return None
        ends = [self.courses[row[self.batches[-1]]] for row in (self.rows[0], self.rows[-1])]
        return first if ends[0].uncounted == ends[1].uncounted else None

    def _follow(self, row: dict[int, OperatingPoint], pattern: Line) -> None:
        """Know a whole row from its count at the largest batch, if it ran the same course as the rows at the ends."""
        high = self.batches[-1]
        counted = self.courses[row[high]]
        if counted.course is None or counted.course.keys != pattern.keys:
            return
        moving, still = [0] * 4, [0] * 4
        for event, kinds in zip(counted.course.calls, pattern.kinds, strict=True):
            for number, (value, kind) in enumerate(zip(event.values, kinds, strict=True)):
                if (kind == "p" and any(value * batch % high for batch in self.batches)) or (kind == "0" and value):
                    return
                if number < 4:
                    (moving if kind == "p" else still)[number] += value
        torch = self.request.convention == "torch"
        columns = {"macs": 0, "flops": 2 if torch else 1, "activations": 3}
        if any(counted.values[metric] != moving[i] + still[i] for metric, i in columns.items()):
            return  # something was counted that is no call
        lines = metric_names(line=True)
        for batch, point in row.items():
            values = {metric: counted.values[metric] for metric in lines}
            values.update((metric, moving[i] * batch // high + still[i]) for metric, i in columns.items())
            self.known[point] = Counted(values, uncounted=counted.uncounted)


_STAGES = (Grid.corners, Grid.plain, Grid.between, Grid.again, Grid.rest)


def _size(point: OperatingPoint) -> tuple[Any, ...]:
    """Every ordered axis but the batch."""
    return tuple(point.value(name) for name in axis_names(point, ordered=True) if name != "batch")


def _extent(point: OperatingPoint) -> tuple[int, tuple[Any, ...]]:
    """How much a point takes, but for its batch: elements, then the sizes, for a definite order."""
    sides = [
        side for size in _size(point) if size is not None for side in (size if isinstance(size, tuple) else (size,))
    ]
    return prod(sides), tuple(sides)


def count_all(grids: Sequence[Grid], jobs: int, progress: Progress | None) -> int:
    """Count what the grids want until they want no more; how many counts that took."""
    total, counts = sum(len(grid.points) for grid in grids), 0
    with _counter(jobs) as run:
        while True:
            tasks = [(grid, point, watch) for grid in grids for point, watch in grid.wanted()]
            if not tasks:
                break
            calls = [(grid.model, replace(grid.request, point=point), watch) for grid, point, watch in tasks]
            for (grid, point, watch), counted in zip(tasks, run(calls), strict=True):
                grid.take(point, watch, counted)
                counts += 1
                if progress is not None:
                    progress(min(total - 1, sum(len({*g.known, *g.courses}) for g in grids)), total)
    if progress is not None:
        progress(total, total)
    return counts


_Call = tuple[FoundTarget, Request, bool]


def _run_one(call: _Call) -> Counted:
    model, request, watch = call
    return count_once(model, request, watch=watch)


def _find_and_run(sent: tuple[Callable[[], FoundTarget], Request, bool]) -> Counted:
    """Count in a process of its own, where the target is found again. It raises what that raises."""
    again, request, watch = sent
    return count_once(again(), request, watch=watch)


@contextmanager
def _counter(jobs: int) -> Iterator[Callable[[Sequence[_Call]], Iterable[Counted]]]:
    """How calls are counted: one after the other here, or in processes of their own."""
    if jobs == 1:
        yield lambda calls: map(_run_one, calls)
        return
    import multiprocessing
    import pickle
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:

        def run(calls: Sequence[_Call]) -> Iterable[Counted]:
            sent = [(target.again or partial(FoundTarget, target.model), *rest) for target, *rest in calls]
            for (again, *_), (target, *_) in zip(sent, calls, strict=True):
                try:
                    pickle.dumps(again)
                except Exception as error:
                    raise UsageError(
                        f"jobs={jobs}: {target.model!r} cannot be sent to another process ({error}). "
                        "Give a TARGET such as 'package.module:factory', or a function of a module."
                    ) from error
            return pool.map(_find_and_run, sent)

        yield run
