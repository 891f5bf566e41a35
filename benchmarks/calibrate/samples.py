"""What a fit sees of each measurement: the time of its work at the peaks of the card, by class of operators."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from pytest_modelbudget.counting.calibrating.fit import columns
from pytest_modelbudget.values.devices import find_device
from pytest_modelbudget.values.fits import Way

from .features import Key, Step, load
from .tables import Row, rows


class Sample(NamedTuple):
    """One measurement and its columns, in seconds: arithmetic and traffic by class; launches (a number), loops."""

    row: Row
    way: Way
    columns: np.ndarray


def samples(tables: Path, features: Path) -> list[Sample]:
    """The measured times whose models were counted."""
    found = []
    steps: dict[str, dict[Key, Step]] = {}
    sums: dict[tuple[str, Key, str, bool], np.ndarray] = {}
    for row in sorted(rows(tables), key=lambda one: one.model):
        if not row.seconds:
            continue
        if row.model not in steps:
            path = features / f"{row.model}.json.gz"
            steps = {row.model: load(path) if path.exists() else {}}
        key = Key(row.setting._replace(compiled=False), row.res, row.seq, row.batch)
        step = steps[row.model].get(key)
        if step is None:
            continue
        where = (row.model, key, row.card, row.setting.compiled)
        if where not in sums:
            sums[where] = columns(step.work, find_device(row.card), compiled=row.setting.compiled)
        found.append(Sample(row, way_of(row), sums[where]))
    return found


def way_of(row: Row) -> Way:
    """The way of running of a row."""
    setting = row.setting
    return Way(setting.mode, bool(setting.amp), setting.channels_last, setting.compiled)
