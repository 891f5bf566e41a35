"""What a fit sees of each measurement: the time of its work at the peaks of the card, by class of operators."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pytest_modelbudget.values.devices import find_device
from pytest_modelbudget.values.fits import Way
from pytest_modelbudget.values.operator_classes import CLASSES, class_of
from pytest_modelbudget.values.work import Work

from .features import Key, Step, load
from .tables import Row, rows

KERNELS = 2 * len(CLASSES)
"""The column of launches, behind those of arithmetic and of traffic."""


class Sample(NamedTuple):
    """One measurement and its columns, in seconds: arithmetic and traffic by class, then launches (a number)."""

    row: Row
    way: Way
    columns: np.ndarray


def samples(tables: Path, features: Path) -> list[Sample]:
    """The measured times whose models were counted."""
    found = []
    steps: dict[str, dict[Key, Step]] = {}
    sums: dict[tuple[str, Key, str], np.ndarray] = {}
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
        where = (row.model, key, row.card)
        if where not in sums:
            sums[where] = columns(step.work, row.card)
        found.append(Sample(row, way_of(row), sums[where]))
    return found


def way_of(row: Row) -> Way:
    """The way of running of a row."""
    setting = row.setting
    return Way(setting.mode, bool(setting.amp), setting.channels_last, setting.compiled)


def columns(work: Sequence[Work], card: str) -> np.ndarray:
    """The columns of one step on one card."""
    device = find_device(card)
    found = np.zeros(KERNELS + 1)
    for one in work:
        place = CLASSES.index(class_of(one))
        found[place] += one.calls * one.flops / device.peak(one.dtype)
        found[len(CLASSES) + place] += one.calls * one.bytes / device.bandwidth
        found[KERNELS] += one.calls * one.launches
    return found
