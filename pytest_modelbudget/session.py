"""What a run comes to: results gathered, the baseline recorded or checked for stale entries, reports written.

Knows no pytest. It runs where reports are shown, so that with several processes one of them writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import units
from .config import Config
from .cost import METRICS
from .errors import BudgetError
from .result import Result
from .run_report import Report

if TYPE_CHECKING:
    from .baseline.file import Change


@dataclass(frozen=True)
class Scope:
    """Which tests a run was asked for. ``partial``: chosen one by one (``-k``, ``-m``, node ids), or cut short.

    ``places`` are the files and folders asked for, relative to the root; ``("",)`` is everything.
    """

    partial: bool
    places: tuple[str, ...] = ("",)

    def covers(self, nodeid: str) -> bool:
        """Whether the run would have met the test, if it were still there."""
        file = nodeid.split("::")[0]
        return not self.partial and any(not p or file == p or file.startswith(f"{p}/") for p in self.places)


@dataclass(frozen=True)
class Ending:
    """What to say at the end, and whether the run fails for it."""

    lines: tuple[str, ...] = ()
    failed: bool = False


@dataclass
class Run:
    """The results of a run, as reports bring them, and the ids of the tests that were found."""

    config: Config
    results: dict[tuple[str, str], Result] = field(default_factory=dict)
    collected: set[str] = field(default_factory=set)

    def add(self, nodeid: str, data: Iterable[Mapping[str, Any]]) -> None:
        """Take what one test measured; a test that ran again replaces what it had."""
        for key in [key for key in self.results if key[0] == nodeid]:
            del self.results[key]
        for result in data:
            self.results[nodeid, result["entry"]] = Result.from_dict(result)

    def finish(self, scope: Scope) -> Ending:
        """Record the baseline if asked to, look for stale entries, and write the reports."""
        lines: list[str] = []
        failed = False
        if self.results or self.config.update or self.config.strict:
            try:
                ending = self._baseline(scope)
            except BudgetError as error:
                ending = Ending((str(error),), failed=True)
            lines += ending.lines
            failed = ending.failed
        if self.config.reports and (self.results or self.collected):
            from .report.formats import write_report

            for path in self.config.reports:
                write_report(path, self.report())
                lines.append(f"report: {path}")
        return Ending(tuple(lines), failed)

    def _baseline(self, scope: Scope) -> Ending:
        path = self.config.baseline
        if not path.exists() and not self.config.update:
            return Ending()
        from .baseline.file import read

        old = read(path)
        names = list(old.entries) if old is not None else []
        gone = [name for name in names if old is not None and self._is_gone(name, old.entries[name].test, scope)]
        if self.config.update:
            return self._record(gone)
        if not gone:
            return Ending()
        many = "entries whose tests are" if len(gone) > 1 else "entry whose test is"
        lines = [f"{path.name}: {len(gone)} {many} gone; pytest --budget-update drops them:"]
        lines += [f"    {name}" for name in gone]
        return Ending(tuple(lines), failed=self.config.strict)

    def _is_gone(self, name: str, test: str, scope: Scope) -> bool:
        """Whether an entry's test is not there any more, or is there and has no such entry."""
        if not scope.covers(test):
            return False
        if test not in self.collected:
            return True
        measured = {entry for nodeid, entry in self.results if nodeid == test}
        return bool(measured) and name not in measured

    def _record(self, gone: list[str]) -> Ending:
        from .baseline.file import changes, merge, read, write
        from .baseline.schema import entry_of

        path = self.config.baseline
        old = read(path)
        whole = [result for result in self.results.values() if not result.verdict.problems]
        left_out = [result for result in self.results.values() if result.verdict.problems]
        new = merge(old, [entry_of(result) for result in whole], gone)
        found = changes(old, new)
        write(path, new)
        lines = [f"{path.name}: {_count(found, len(new.entries))}"]
        lines += [_sentence(change) for change in found]
        lines += [f"not recorded: {r.entry}: {r.verdict.headline()}" for r in left_out]
        return Ending(tuple(lines))

    def report(self) -> Report:
        """The run as a value for reports."""
        from .baseline.file import read

        baseline = None if self.config.update else read(self.config.baseline)
        return Report.of(self.results.values(), baseline.entries if baseline is not None else None)


def _sentence(change: Change) -> str:
    """One line about an entry: what became of it, and its metrics that moved."""
    before, after = change.before or {}, change.after or {}
    if change.status != "changed":
        totals = after or before
        return f"    {change.status}  {change.name}: flops {units.show(totals['flops'], 'flops')}"
    moved = [m for m in METRICS if m in before and m in after and before[m] != after[m]]
    told = [f"{m} {' -> '.join(units.show_apart(before[m], after[m], m))}" for m in moved]
    return f"    changed  {change.name}: {', '.join(told) or 'same totals'}"


def _count(found: Iterable[Any], total: int) -> str:
    by_status: dict[str, int] = {"added": 0, "changed": 0, "removed": 0}
    for change in found:
        by_status[change.status] += 1
    unchanged = total - by_status["added"] - by_status["changed"]
    return ", ".join([*(f"{number} {status}" for status, number in by_status.items()), f"{unchanged} unchanged"])
