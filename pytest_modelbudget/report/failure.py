"""The message of a failed budget: one line of verdict, the table, and where the cost is."""

from __future__ import annotations

from collections.abc import Sequence

from ..judging.source import locate
from ..text import units
from ..text.line import one_line
from ..text.tables import plain_table
from ..values.cost import Cost, ModuleCost
from ..values.metrics import show
from ..values.point import axis_names
from ..values.request import CONVENTIONS
from ..values.result import Result
from .growth import growth_lines
from .memory import by_kind, measured_text, peak_line
from .tables import costliest, metric_table, module_values
from .throughput import prediction


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
    table = metric_table(verdict.judged, verdict.regressed)
    lines += ["", table] if table else [""]
    lines.append(conditions(cost, result.module))
    if verdict.worst == "memory" and verdict.over and cost.peak is not None:
        lines += ["", peak_line(cost.peak), *by_kind(cost.peak)]
    growth = growth_lines(result, most=len(cost.modules) if full else 5)
    if growth:
        lines += ["", *growth]
    where = _where(cost, verdict.worst, result.module, root, full) if verdict.over or verdict.regressed else ""
    if where:
        lines += [where] if growth else ["", where]
    if result.remedies:
        lines.append(f"fits   {remedy_text(result)}")
    return "\n".join(lines)


def remedy_text(result: Result) -> str:
    """``batch <= 12, or res <= 208``; of one alone also what it holds for: ``res <= 226 at batch 1``."""
    text = ", or ".join(f"{remedy.size} <= {remedy.at_most}" for remedy in result.remedies)
    if len(result.remedies) > 1:
        return text
    point, size = result.cost.point, result.remedies[0].size
    held = [f"{name} {point.show(name)}" for name in axis_names(ordered=True) if name != size and point.show(name)]
    return f"{text} at {', '.join(held)}" if held else text


def _body(problem: str, headline: str) -> list[str]:
    lines = [one_line(line) if not line.startswith("    ") else line.strip() for line in problem.splitlines()]
    return [line for line in lines if line != headline]


def conditions(cost: Cost, module: str = "") -> str:
    """What the numbers hold for: operating point, convention, how they were obtained."""
    what = f"Module {one_line(module)!r} of {cost.model}" if module else cost.model
    lines = [f"{one_line(what)} at {cost.point}. {CONVENTIONS[cost.convention]}"]
    if cost.counter != "aten":
        lines[0] += f" Counted by {cost.counter}."
    if cost.throughput is not None:
        lines.append(prediction(cost.throughput))
    if cost.measured is not None:
        lines.append(measured_text(cost))
    return "\n".join([*lines, *(one_line(note) for note in cost.notes)])


def _where(cost: Cost, metric: str, below: str, root: str, full: bool) -> str:
    if cost.counter == "fvcore" and metric == "weights":
        return ""
    whole = cost.metric(metric, below) or 0
    if full:
        modules = [row for name, row in cost.modules.items() if name.startswith(f"{below}." if below else "") and name]
    else:
        modules = costliest(cost, metric, below=below)
    values = module_values(cost, metric)
    rows = [_row(cost, row, metric, values[row.name], whole, root) for row in modules]
    if not rows:
        return ""
    first, *rest = plain_table(rows, right=(2, 3)).splitlines()
    return "\n".join([f"where  {first}", *(f"       {line}" for line in rest)])


def _row(cost: Cost, row: ModuleCost, metric: str, value: int, whole: int, root: str) -> list[str]:
    return [
        one_line(row.name),
        one_line(row.kind),
        show(value, metric),
        units.share(value, whole),
        one_line(locate(cost, row.name, root)),
    ]
