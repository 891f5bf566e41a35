"""The accuracies of models, which nobody can count: read from what a user gives."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...errors import UsageError, nearest
from ...grids.cell import Cell

Accuracy = Mapping[tuple[str, str], float]
"""By target and resolution as shown; an empty resolution is every one."""


def accuracy_of(cell: Cell, accuracy: Accuracy) -> float | None:
    """The accuracy of a model at the resolution of a cell, or else at every one."""
    return accuracy.get((cell.target, cell.point.show("res")), accuracy.get((cell.target, "")))


def read_accuracy(said: Iterable[str], targets: Sequence[str]) -> dict[tuple[str, str], float]:
    """The accuracies of models from ``name=value`` and from CSV files (columns target, accuracy, perhaps res).

    Raises `UsageError` for what is neither, for a model that is not in the sweep, and for values that are no numbers.
    """
    found: dict[tuple[str, str], float] = {}
    for text in said:
        name, equals, value = text.rpartition("=")
        rows = [(name, "", value)] if equals else _accuracy_file(Path(text))
        for target, res, number in rows:
            matching = [known for known in targets if target in (known, known.rpartition(":")[2])]
            if not matching:
                raise UsageError(f"--accuracy {text}: no TARGET is named {target!r}.{nearest(target, targets)}")
            try:
                accuracy = float(number)
            except ValueError:
                accuracy = math.nan
            if not math.isfinite(accuracy):
                raise UsageError(f"--accuracy {text}: {number!r} is not a number.")
            found[matching[0], res] = accuracy
    return found


def _accuracy_file(path: Path) -> list[tuple[str, str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"--accuracy {path}: neither name=value nor a CSV file that can be read: {reason}.") from error
    if not rows or not {"target", "accuracy"} <= set(rows[0]):
        raise UsageError(f"--accuracy {path}: a CSV file has the columns target and accuracy, and perhaps res.")
    return [(row["target"] or "", row.get("res") or "", row["accuracy"] or "") for row in rows]
