"""What a run comes to: results gathered, the baseline recorded or checked for stale entries, reports written.

Knows no pytest. It runs where reports are shown, so that with several processes one of them writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BudgetError
from ..values.entry import Entry
from ..values.result import Result
from ..values.run import Report
from ..values.written import Wish
from .config import Config


@dataclass(frozen=True)
class Scope:
    """Which tests a run was asked for. ``partial``: chosen one by one (``-k``, ``-m``, node ids), or cut short.

    ``places`` are the files and folders asked for, relative to ``root``; ``("",)`` is everything.
    """

    partial: bool
    root: Path
    places: tuple[str, ...] = ("",)

    def covers(self, file: str) -> bool:
        """Whether the run was asked for all of a file."""
        return not self.partial and any(not p or file == p or file.startswith(f"{p}/") for p in self.places)


@dataclass
class Collected:
    """What was seen while tests were collected: their ids, in order, and what was looked into.

    ``cut_short`` says that some of it was left out; ``left_out`` are tests that a hook took away and told nobody, as
    shards do. ``clashes`` are ids that two tests have, with the file of each. Processes that collect apart send each
    other plain data.
    """

    tests: dict[str, None] = field(default_factory=dict)
    files: dict[str, None] = field(default_factory=dict)
    cut_short: bool = False
    left_out: dict[str, None] = field(default_factory=dict)
    clashes: dict[str, list[str]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "tests": list(self.tests),
            "files": list(self.files),
            "cut_short": self.cut_short,
            "left_out": list(self.left_out),
            "clashes": self.clashes,
        }

    def add(self, data: Mapping[str, Any]) -> None:
        """Take what another process saw."""
        self.tests.update(dict.fromkeys(data["tests"]))
        self.files.update(dict.fromkeys(data["files"]))
        self.cut_short = self.cut_short or data["cut_short"]
        self.left_out.update(dict.fromkeys(data["left_out"]))
        self.clashes.update(data["clashes"])


@dataclass(frozen=True)
class Ending:
    """What to say at the end, and whether the run fails for it."""

    lines: tuple[str, ...] = ()
    failed: bool = False


@dataclass
class Run:
    """The results of a run, as reports bring them, and the tests that were found."""

    config: Config
    collected: Collected = field(default_factory=Collected)
    _results: dict[str, list[Result]] = field(default_factory=dict, init=False)
    _complete: set[str] = field(default_factory=set, init=False)
    _wishes: dict[str, list[Wish]] = field(default_factory=dict, init=False)

    def add(
        self, test: str, data: Iterable[Mapping[str, Any]], *, complete: bool, wishes: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        """Take what one test measured; a test that ran again replaces what it had.

        ``complete`` says that it ran to its end, and so measured all that it measures. ``wishes`` are the
        limits to write.
        """
        self._wishes[test] = [Wish.from_dict(wish) for wish in wishes]
        self._results.pop(test, None)
        self._complete.discard(test)
        if complete:
            self._complete.add(test)
        results = [Result.from_dict(result) for result in data]
        if results:
            self._results[test] = results

    @property
    def results(self) -> list[Result]:
        """The results in the order their tests were collected in, whichever process was the first to have them."""
        place = {test: number for number, test in enumerate(self.collected.tests)}
        tests = sorted(self._results, key=lambda test: place.get(test, len(place)))
        return [result for test in tests for result in self._results[test]]

    def finish(self, scope: Scope, show: Callable[[str], None]) -> Ending:
        """Write limits and the baseline if asked to, look for stale entries, and write the reports.

        ``show`` gets the lines of what is about to be changed in people's files.
        """
        lines: list[str] = []
        failed = False
        asked = bool(self._results) or self.config.update or self.config.strict
        if self.collected.clashes:
            lines += self._clashes()
            failed = True
        elif asked or not scope.partial:
            try:
                ending = self._baseline(scope)
            except BudgetError as error:  # who tests no model in this run need not repair it first
                ending = Ending(tuple(str(error).splitlines()) if asked else (), failed=asked)
            lines += ending.lines
            failed = ending.failed
        if self.config.reports and (self._results or self.collected.tests):
            from ..report.formats import write_report

            report = self.report()
            for path in self.config.reports:
                try:
                    write_report(path, report)
                    lines.append(f"report: {path}")
                except BudgetError as error:
                    lines += str(error).splitlines()
                    failed = True
        if self.config.write:
            ending = self._fill_in(show)
            lines += ending.lines
            failed = failed or ending.failed
        return Ending(tuple(lines), failed)

    def _fill_in(self, show: Callable[[str], None]) -> Ending:
        """Write the limits that tests asked for into their files; limits that are there are shown as a diff first."""
        from ..sources.rewrite import rewrites, write

        unfinished = [test for test, wanted in self._wishes.items() if wanted and test not in self._complete]
        lines = [f"not written: {test}: its test did not run to its end" for test in unfinished]
        failed, written = bool(lines), 0
        asked = [wish for test, wanted in self._wishes.items() if test in self._complete for wish in wanted]
        for one in rewrites(asked, self.config.headroom):
            file = os.path.relpath(one.file, self.config.root)
            lines += one.refused
            failed = failed or bool(one.refused)
            if not one.lines:
                continue
            if self.config.write == "all":
                for line in one.diff(file):
                    show(line)
            try:
                write(one)
            except BudgetError as error:
                lines, failed = [*lines, *str(error).splitlines()], True
                continue
            written += len(one.lines)
            lines += [f"{file}{line}" for line in one.lines]
        return Ending((f"limits written: {written}", *lines), failed)

    def _clashes(self) -> list[str]:
        """What to say of tests that would stand for each other in the baseline and in reports."""
        found = [f"{test}: {' and '.join(files)}" for test, files in self.collected.clashes.items()]
        remedy = "Give pytest a --rootdir that has both files in it, or run them apart."
        unwritten = [f"{self.config.baseline.name}: not updated."] if self.config.update else []
        return ["two tests have one id, so one of them would stand for both:", *found, remedy, *unwritten]

    def _baseline(self, scope: Scope) -> Ending:
        path = self.config.baseline
        if not path.exists() and not self.config.update:
            missed = f"{path}: no such baseline, so nothing was compared. Record it with pytest --budget-update."
            return Ending((missed,) if self.config.named and self._results else ())
        from ..baseline.file import read

        old = read(path)
        entries = old.entries if old is not None else {}
        gone = [name for name, entry in entries.items() if self._is_gone(name, entry.test, scope)]
        kept = self._unsure(entries, path.name, scope)
        if self.config.update:
            return Ending((*self._record(gone).lines, *kept))
        from ..report.baseline import tighter_lines

        lines = tighter_lines(self.results, path.name)
        if gone:
            many, them = ("entries whose tests are", "them") if len(gone) > 1 else ("entry whose test is", "it")
            lines.append(f"{path.name}: {len(gone)} {many} gone; pytest --budget-update drops {them}:")
            lines += [f"    {name}" for name in gone]
        lines += kept if self.config.strict else []
        return Ending(tuple(lines), failed=bool(gone) and self.config.strict)

    def _is_gone(self, name: str, test: str, scope: Scope) -> bool:
        """Whether an entry's test is not there any more, or ran to its end and measured no such entry.

        What the run did not look into, a skipped or ignored file, may have the test yet.
        """
        file = test.split("::")[0]
        if not scope.covers(file):
            return False
        if test in self.collected.tests:
            return test in self._complete and name not in {r.entry for r in self._results.get(test, ())}
        if test in self.collected.left_out:
            return False
        return file in self.collected.files or not (scope.root / file).exists()

    def _unsure(self, entries: Mapping[str, Entry], file: str, scope: Scope) -> list[str]:
        """What to say of entries whose tests were left out, so that nothing is known of them."""
        if scope.partial:
            return []
        tests = set(self.collected.left_out) - set(self.collected.tests)
        number = sum(entry.test in tests for entry in entries.values())
        if not number:
            return []
        many, their = (f"{number} entries are", "their tests were") if number > 1 else ("1 entry is", "its test was")
        why = "collected, then left out by a hook that tells nobody, such as one that makes shards"
        return [f"{file}: {many} kept and not judged, since {their} {why}."]

    def _record(self, gone: list[str]) -> Ending:
        from ..baseline.file import changes, merge, read, write
        from ..baseline.schema import entry_of
        from ..report.baseline import update_lines

        path = self.config.baseline
        old = read(path)
        results = self.results
        left_out = {id(result): why for result in results if (why := self._refusal(result))}
        new = merge(old, [entry_of(result) for result in results if id(result) not in left_out], gone)
        found = changes(old, new)
        write(path, new)
        lines = update_lines(found, len(new.entries), path.name)
        lines += [f"not recorded: {r.entry}: {left_out[id(r)]}" for r in results if id(r) in left_out]
        return Ending(tuple(lines))

    def _refusal(self, result: Result) -> str:
        """Why a result is no baseline, or an empty text. That it is over its limits is no reason."""
        if result.verdict.problems:
            return result.verdict.headline()
        return "" if result.nodeid in self._complete else "its test did not run to its end"

    def report(self) -> Report:
        """The run as a value for reports. A baseline that cannot be read has been told of elsewhere."""
        from ..baseline.file import read

        try:
            baseline = None if self.config.update else read(self.config.baseline)
        except BudgetError:
            baseline = None
        return Report.of(self.results, baseline.entries if baseline is not None else None)
