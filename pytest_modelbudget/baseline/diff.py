"""Two baselines, two JSON reports, or one of each, side by side: what is new, gone, changed, and in which modules.

Nothing can be counted again here. Modules are compared where both sides were counted at one operating point; where
they were not, only a report that was itself compared with the old side knows what came from what.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from ..errors import TargetError, UsageError
from ..judging.changes import module_changes
from ..judging.comparison import compare
from ..judging.growth import beside, most_grown, row_metric
from ..judging.judge import uncounted
from ..text.json import Damaged, decode, parse
from ..values.entry import Entry
from ..values.growth import Factor, Growth
from ..values.metrics import metric_names
from ..values.point import axes
from ..values.result import Result
from ..values.run import Report
from .file import LIMIT
from .schema import entry_of
from .schema import from_json as read_baseline

STATUSES = ("changed", "not comparable", "new", "gone", "rebuilt", "same")
"""What becomes of an entry, the most important first; ``rebuilt`` costs the same, in other modules."""


@dataclass(frozen=True)
class Side:
    """An entry in one of the files; ``result`` has more of it where the file is a report."""

    entry: Entry
    result: Result | None = None


@dataclass(frozen=True)
class Difference:
    """One entry of either file. ``status`` is one of `STATUSES`; ``reason`` is why it is not comparable.

    ``growth`` is ``None`` where nothing changed, and where it cannot be told what did.
    """

    name: str
    status: str
    old: Side | None
    new: Side | None
    reason: str = ""
    growth: Growth | None = None

    @property
    def metrics(self) -> dict[str, tuple[int | None, int | None]]:
        """Every metric of either side, before and after."""
        before = self.old.entry.totals if self.old is not None else {}
        after = self.new.entry.totals if self.new is not None else {}
        return {m: (before.get(m), after.get(m)) for m in metric_names(recorded=True) if m in before or m in after}

    @property
    def changes(self) -> dict[str, tuple[int, int]]:
        """The metrics that both sides have and that can be compared, where they differ."""
        if self.status != "changed":
            return {}
        both = {m: pair for m, pair in self.metrics.items() if pair[0] is not None and pair[1] is not None}
        return {m: (was, now) for m, (was, now) in both.items() if was != now}  # type: ignore[misc]

    def beyond(self, percent: Decimal) -> dict[str, tuple[int, int]]:
        """The metrics that grew by more than ``percent``. A new entry, or one not comparable, has none."""
        allowed = 1 + Fraction(percent) / 100
        return {metric: (was, now) for metric, (was, now) in self.changes.items() if now > was * allowed}

    @property
    def grew(self) -> bool:
        """Whether some metric is above what it was."""
        return bool(self.beyond(Decimal(0)))

    @property
    def moved(self) -> tuple[str, str] | None:
        """The operating points, or else the inputs, where they differ."""
        return moved(self.old.entry, self.new.entry) if self.old is not None and self.new is not None else None


def load(path: Path, read_report: Callable[[bytes, str], Report]) -> dict[str, Side]:
    """The entries of a baseline, or of a JSON report, which ``read_report`` reads; of a pipe, too.

    Raises `BudgetError` for anything else.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT + 1)
    except (OSError, ValueError) as error:  # a ValueError is a name that no file can have
        raise TargetError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if len(data) > LIMIT:
        raise TargetError(f"{path} is larger than {LIMIT // 2**20} MiB, which neither a baseline nor a report is.")
    if not _is_report(data):
        return {name: Side(entry) for name, entry in read_baseline(data, str(path)).entries.items()}
    sides: dict[str, Side] = {}
    report = read_report(data, str(path))
    for result in report.results:
        side = Side(entry_of(result, report.plugin_version), result)
        if sides.setdefault(result.entry, side).entry != side.entry:
            raise UsageError(f"{path}: two different entries are named {result.entry!r}. Give each its own with name=.")
    return sides


def _is_report(data: bytes) -> bool:
    """Whether this is, or was before it was damaged, a report: its format is a word, a baseline's is a number."""
    try:
        tree = parse(decode(data))
    except Damaged:
        return b'"modelbudget-report"' in data[:100]
    return isinstance(tree, dict) and (isinstance(tree.get("format"), str) or "results" in tree)


def diff(old: Mapping[str, Side], new: Mapping[str, Side]) -> list[Difference]:
    """Every entry of either: those that grew first, the most first, then by status and name."""
    found = [_compared(name, old.get(name), new.get(name)) for name in sorted({*old, *new})]
    return sorted(found, key=lambda d: (-_growth(d), STATUSES.index(d.status), d.name))


def _growth(difference: Difference) -> float:
    ratios = [float(Fraction(now, was)) if was else float("inf") for was, now in difference.beyond(Decimal(0)).values()]
    return max(ratios, default=0)


def _compared(name: str, old: Side | None, new: Side | None) -> Difference:
    if old is None or new is None:
        return Difference(name, "new" if old is None else "gone", old, new)
    reason = not_counted(old, "before") or not_counted(new, "now")
    comparison = compare(old.entry, new.entry)
    if reason or comparison.status == "not comparable":
        return Difference(name, "not comparable", old, new, reason or comparison.reason)
    growth = _explained(old.entry, new)
    if comparison.status == "changed" or moved(old.entry, new.entry):
        return Difference(name, "changed", old, new, growth=growth)
    return Difference(name, "rebuilt" if growth is not None else "same", old, new, growth=growth)


def not_counted(side: Side, when: str) -> str:
    """What of a report's entry nobody could count, so that its numbers are too low; in words, or empty."""
    result = side.result
    problem = uncounted(result.cost, result.module) if result is not None else ""
    if result is None or not problem or problem not in result.verdict.problems:
        return ""  # what budget_unknown_ops = warn accepts is accepted here
    return f"{when} it had operators without a formula: {', '.join(sorted(result.cost.uncounted))}"


def moved(old: Entry, new: Entry) -> tuple[str, str] | None:
    """The operating points, or else the inputs, where they differ."""
    if old.point != new.point:
        return str(old.point), str(new.point)
    return (old.inputs, new.inputs) if old.inputs != new.inputs else None


def shift(old: Entry, new: Entry) -> str:
    """What of the operating point differs, or else the inputs: ``res 224 -> 448``; empty where nothing does."""
    pairs = (
        (axis.name, old.point.show(axis.name), new.point.show(axis.name))
        for axis in axes(old.point, new.point, factor=True)
    )
    said = [f"{name} {was or 'none'} -> {now or 'none'}" for name, was, now in pairs if was != now]
    if not said and old.inputs != new.inputs:
        said = [f"inputs {old.inputs} -> {new.inputs}"]
    return ", ".join(said)


def _explained(old: Entry, new: Side) -> Growth | None:
    """Why the cost is not what it was, as far as it is known without counting again."""
    known = _counted_again(old, new)
    if known is not None:
        return known
    if moved(old, new.entry):
        return None
    shared = [m for m in metric_names(recorded=True) if m in old.totals and m in new.entry.totals]
    metric = most_grown({m: (old.totals[m], new.entry.totals[m]) for m in shared})
    found = module_changes(
        old.modules,
        new.entry.modules,
        row_metric(metric),
        top=new.entry.module,
        versions_differ=old.torch_version != new.entry.torch_version,
    )
    before, after = old.totals[metric], new.entry.totals[metric]
    if before == after and not found.modules:
        return None
    factors = (Factor("architecture", before, after),) if before != after else ()
    counted = old.counted_with, new.entry.counted_with
    note = f"Counted with {counted[0]}, then with {counted[1]}, which may be a part of it."
    note = note if factors and counted[0] != counted[1] else ""
    peaks = (old.peak, new.entry.peak) if metric == "memory" else ()
    return Growth(
        metric,
        before,
        after,
        factors,
        found.modules,
        note,
        beside(old, new.entry, metric),
        found.follows,
        tuple(peak for peak in peaks if peak is not None) if None not in peaks else (),
    )


def _counted_again(old: Entry, new: Side) -> Growth | None:
    """What the run that wrote a report found, if it was compared with just this entry."""
    comparison = new.result.comparison if new.result is not None else None
    if comparison is None or (comparison.point, comparison.before) != (old.point, old.totals):
        return None
    return comparison.growth
