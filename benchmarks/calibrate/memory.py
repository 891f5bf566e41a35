"""What a fit of memory sees: what steps are predicted to take, beside what a card showed or which batch fitted."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pytest_modelbudget.counting.recording.allocations import Allocations
from pytest_modelbudget.counting.recording.allocator import reserved_bytes, tight_bytes
from pytest_modelbudget.values.footprint import Taken

from .features import Key, Step, load
from .kernel_limits import refused
from .tables import Row, rows


class Rung(NamedTuple):
    """A measurement of memory: what the step takes, and the next larger batch, which did not run, if there was one.

    ``refused``: a kernel refuses that batch, whatever memory there is.
    """

    row: Row
    taken: Taken
    larger: Taken | None
    refused: bool = False


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
                known[here] = taken(steps[here], row)
            pair.append(known.get(here))
        if pair[0] is not None and (pair[1] is not None or not row.next_batch):
            larger = steps.get(key._replace(batch=row.next_batch))
            found.append(Rung(row, pair[0], pair[1], larger is not None and refused(larger, row, row.next_batch)))
    return found


def taken(step: Step, row: Row) -> Taken:
    """What a step takes on any card. How tightly it can be packed is only found for batches that a card may not hold.

    Where gradients are zeroed in place before each step, those that the peak does not have are there as well. With
    momentum they are as large as the optimizer's state.
    """
    allocations = Allocations()
    allocations.held, allocations.events, allocations.phases = step.held, step.events, step.phases
    more = max(0, step.kinds["optimizer"] - step.kinds["gradients"]) if row.setting.keeps_gradients else 0
    reserved = max(step.peak, reserved_bytes(allocations))
    tight = tight_bytes(allocations, step.peak, reserved) if row.next_batch else step.peak
    return Taken.of(step.peak + more, reserved + more, tight + more, step.work)
