"""What a fit of memory sees: what steps are predicted to take, beside what a card showed or which batch fitted."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pytest_modelbudget.counting.recording.allocations import Allocations
from pytest_modelbudget.counting.recording.allocator import reserved_bytes
from pytest_modelbudget.values.footprint import Taken

from .features import Key, Step, load
from .tables import Row, rows


class Rung(NamedTuple):
    """A measurement of memory: what the step takes, and the next larger batch, which did not fit, if there was one."""

    row: Row
    taken: Taken
    larger: Taken | None


def rungs(tables: Path, features: Path) -> list[Rung]:
    """The rows with memory, or with a batch that went out of it, whose models were counted."""
    found = []
    model, steps = "", {}
    known: dict[Key, Taken] = {}
    for row in sorted(rows(tables), key=lambda one: one.model):
        if not row.memory and not row.next_batch:
            continue
        if row.model != model:
            path = features / f"{row.model}.json.gz"
            model, steps, known = row.model, load(path) if path.exists() else {}, {}
        key = Key(row.setting._replace(compiled=False), row.res, row.seq, row.batch)
        pair = []
        for batch in (row.batch, row.next_batch):
            here = key._replace(batch=batch)
            if here in steps and here not in known:
                known[here] = taken(steps[here])
            pair.append(known.get(here))
        if pair[0] is not None and (pair[1] is not None or not row.next_batch):
            found.append(Rung(row, pair[0], pair[1]))
    return found


def taken(step: Step) -> Taken:
    """What a step takes on any card."""
    allocations = Allocations()
    allocations.held, allocations.events, allocations.phases = step.held, step.events, step.phases
    return Taken.of(step.peak, max(step.peak, reserved_bytes(allocations)), step.work)
