"""The budgets of a table, measured and judged one after another, as pytest's items are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..errors import BudgetError
from ..values.entry import Entry
from .evaluate import evaluate
from .filling import wishes
from .run import Run
from .subject import Body, TestCase
from .table import Table, TableEntry


def check_entries(
    run: Run, table: Table, entries: Iterable[TableEntry], baseline: Mapping[str, Entry]
) -> dict[str, str]:
    """Measure and judge ``entries`` of a table into ``run``; by test, what kept some from being measured."""
    failures: dict[str, str] = {}
    file = table.path.name
    run.collected.files[file] = None
    run.collected.tests.update((f"{file}::{name}", None) for name in table.said)
    for entry in entries:
        test = f"{file}::{entry.name}"
        folder = str(table.path.parent.resolve())
        case = TestCase(test, file, entry.line, {}, folder, folder)
        budgets = list(entry.budgets)
        try:
            results = evaluate(budgets, case, Body(), run.config, baseline)
        except BudgetError as error:
            failures[test] = f"{error}\n{file}:{entry.line}"
            run.add(test, (), complete=False)
            continue
        wanted = [wish.to_dict() for wish in wishes(budgets, results, run.config)]
        run.add(test, [result.to_dict() for result in results], complete=True, wishes=wanted)
    return failures
