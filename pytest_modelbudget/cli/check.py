"""``modelbudget check``: the gate over the budgets of a table, without pytest."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..errors import UsageError, nearest
from ..text.line import one_line


def add(commands: Any) -> None:
    """Declare the command."""
    check = commands.add_parser(
        "check", help="hold the budgets of pyproject.toml or modelbudget.toml, as pytest does", allow_abbrev=False
    )
    check.add_argument("names", metavar="NAME", nargs="*", help="names of budgets (default: all)")
    check.add_argument("--file", metavar="FILE", type=Path, help="the TOML file (default: the project's)")
    check.add_argument("--update", action="store_true", help="record this run as the baseline")
    check.add_argument("--baseline", metavar="FILE", type=Path, help="the baseline (default modelbudget.json)")
    check.add_argument("--tolerance", metavar="PCT", help="how far above its baseline a metric may be (default 0)")
    check.add_argument("--strict", action="store_true", help="fail on entries of the baseline whose budgets are gone")
    check.add_argument("--measure", action="store_true", help="also run each step for real, on the device at hand")
    check.add_argument("--report", metavar="FILE", type=Path, action="append", help="write a report; repeatable")
    write = 'write the limits that are "..." into the table; with =all, those that are there, too'
    for option, value in (("--write", "open"), ("--write=all", "all")):  # no argument, which eats a name
        check.add_argument(option, dest="write", action="store_const", const=value, default="", help=write)
    check.add_argument("--headroom", metavar="PCT", help="how far above what was measured (default 2)")
    check.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, judge and report; 1 where a budget does not hold."""
    with ExitStack() as folders:
        return _checked(arguments, folders)


def _checked(arguments: argparse.Namespace, folders: ExitStack) -> int:
    from ..baseline.file import read
    from ..gate.checking import check_entries
    from ..gate.config import read_config
    from ..gate.run import Run, Scope
    from ..gate.settings import settings_of
    from ..gate.table import project_table, read_table
    from ..report.failure import failure
    from ..report.formats import check_report
    from ..report.terminal import summary
    from ..values.own_device import files_in

    table = read_table(arguments.file) if arguments.file is not None else project_table(Path())
    if table is not None:
        folders.enter_context(files_in(table.path.parent))
    entries = table.entries() if table is not None else []
    if table is None or not entries:
        where = str(arguments.file or "pyproject.toml or modelbudget.toml")
        raise UsageError(
            f"There are no budgets in {where}: no table [tool.modelbudget.budgets.NAME]. "
            "Make a first one with modelbudget init PACKAGE."
        )
    known = [entry.name for entry in entries]
    for name in arguments.names:
        if name not in known:
            raise UsageError(f"There is no budget {name!r}.{nearest(name, known)} There are: {', '.join(known)}.")
    root = table.path.parent.resolve()
    config = read_config(settings_of(root, vars(arguments)))
    for path in config.reports:
        check_report(path)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))  # as python -m would
    baseline = None if config.update else read(config.baseline)
    this = Run(config)
    chosen = [entry for entry in entries if not arguments.names or entry.name in arguments.names]
    failures = check_entries(this, table, chosen, baseline.entries if baseline is not None else {})
    for test, problem in failures.items():
        _printed(f"{f' {one_line(test)} ':_^79}")
        print(problem)
    results = this.results
    for result in results:
        if not result.verdict.passed:
            _printed(f"{f' {one_line(result.entry)} ':_^79}")
            print(failure([result], root=str(root)))
    for line in summary(results) if results else ():
        print(line.text)
    ending = this.finish(Scope(bool(arguments.names), root, (table.path.name,)), _printed)
    for text in ending.lines:
        _printed(text)
    if results and os.environ.get("GITHUB_ACTIONS") == "true":
        from ..report.github import error_annotations

        print(error_annotations(this.report()), end="")
    return int(bool(failures) or ending.failed or any(not result.verdict.passed for result in results))


def _printed(text: str) -> None:
    print(one_line(text))
