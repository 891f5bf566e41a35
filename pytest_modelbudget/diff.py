"""Two baselines, or two JSON reports, side by side: which entries are new, gone, changed, and in which modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from .baseline.file import read
from .baseline.schema import Baseline, Entry, entry_of
from .cost import METRICS
from .errors import TargetError
from .explain import module_changes
from .growth import ModuleChange
from .run_report import Report


@dataclass(frozen=True)
class Difference:
    """One entry in both files. ``status``: ``new``, ``gone``, ``same``, ``changed`` or ``not comparable``."""

    name: str
    status: str
    old: Entry | None
    new: Entry | None
    modules: tuple[ModuleChange, ...] = ()
    reason: str = ""

    @property
    def metrics(self) -> dict[str, tuple[int, int]]:
        """Every metric both have, before and after."""
        if self.old is None or self.new is None:
            return {}
        return {
            m: (self.old.totals[m], self.new.totals[m])
            for m in METRICS
            if m in self.old.totals and m in self.new.totals
        }

    def exceeds(self, percent: Decimal) -> bool:
        """Whether some metric grew by more than ``percent``. A new entry, or one not comparable, did not."""
        if self.status != "changed":
            return False
        allowed = 1 + Fraction(percent) / 100
        return any(after > before * allowed for before, after in self.metrics.values())

    @property
    def grew(self) -> bool:
        """Whether some metric is above what it was."""
        return self.exceeds(Decimal(0))


def load(path: Path, read_report: Callable[[bytes, str], Report]) -> Mapping[str, Entry]:
    """The entries of a baseline or of a JSON report, which ``read_report`` reads.

    Raises `BudgetError` for anything else.
    """
    try:
        start = path.read_bytes()[:200]
    except OSError as error:
        raise TargetError(f"{path} cannot be read: {error.strerror or error}.") from error
    if b'"modelbudget-report"' in start:
        return {result.entry: entry_of(result) for result in read_report(path.read_bytes(), str(path)).results}
    return (read(path) or Baseline({})).entries


def diff(old: Mapping[str, Entry], new: Mapping[str, Entry]) -> list[Difference]:
    """Every entry of either, those that grew first, by name."""
    found = [_one(name, old.get(name), new.get(name)) for name in sorted({*old, *new})]
    order = {"changed": 1, "not comparable": 2, "new": 3, "gone": 4, "same": 5}
    return sorted(found, key=lambda d: (0 if d.grew else order[d.status], d.name))


def _one(name: str, old: Entry | None, new: Entry | None) -> Difference:
    if old is None or new is None:
        return Difference(name, "new" if old is None else "gone", old, new)
    for what, before, after in (
        ("convention", old.convention, new.convention),
        ("counter", old.counter, new.counter),
        ("mode", old.point.mode, new.point.mode),
    ):
        if before != after:
            return Difference(name, "not comparable", old, new, reason=f"{what} {before} and {after}")
    if old.totals == new.totals:
        return Difference(name, "same", old, new)
    modules = module_changes(old.modules, new.modules, "flops", top=new.module) if old.point == new.point else ()
    return Difference(name, "changed", old, new, modules)
