"""The message of a failed budget: one line of verdict, the table, and where the cost is."""

from __future__ import annotations

from collections.abc import Sequence

from ..judging.source import locate
from ..text.line import one_line
from ..values.result import Result
from .parts.communication import broken_communication
from .parts.conditions import conditions
from .parts.limits import metric_table
from .parts.memory import broken_memory
from .parts.remedies import fits_line
from .parts.where import every_module, where_lines
from .parts.why import growth_lines


def failure(results: Sequence[Result], *, root: str = "", full: bool = False) -> str:
    """The message for a test, one part for each of its budgets that failed. ``full`` lists every module."""
    return "\n\n".join(_one(result, root, full) for result in results if not result.verdict.passed)


def _one(result: Result, root: str, full: bool) -> str:
    verdict, cost = result.verdict, result.cost
    place = f"{one_line(result.path)}:{result.line}"
    lines = [f"{verdict.headline().ljust(58)}  {place}"]
    if result.entry != result.nodeid:
        lines.append(f"    {one_line(result.entry)}")
    lines += [f"    {line}" for problem in verdict.reasons for line in _body(problem, verdict.headline())]
    table = metric_table(verdict)
    lines += ["", table] if table else [""]
    lines.append(conditions(cost, result.module))
    for broken in (broken_memory(result), broken_communication(result)):
        lines += ["", *broken] if broken else []
    growth = growth_lines(result, most=len(cost.modules) if full else 5)
    where = _where(result, root, full) if verdict.over or verdict.regressed else []
    lines += ["", *growth, *where] if growth or where else []
    return "\n".join([*lines, *fits_line(result)])


def _where(result: Result, root: str, full: bool) -> list[str]:
    list_modules = every_module if full else where_lines
    return list_modules(result, source=lambda name: locate(result.cost, name, root))


def _body(problem: str, headline: str) -> list[str]:
    lines = [one_line(line) if not line.startswith("    ") else line.strip() for line in problem.splitlines()]
    return [line for line in lines if line != headline]
