"""Where a cost is: the modules that hold most of a metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...judging.source import locate
from ...text import units
from ...text.line import shown
from ...text.tables import plain_table
from ...values.cost import Cost, ModuleCost
from ...values.metrics import find_metric, show
from ...values.result import Result
from .labels import labelled

Source = Callable[[str], str]
"""Gives ``file:line`` of the module of a name, or an empty text."""


def where_lines(result: Result, *, most: int = 5, source: Source | None = None) -> list[str]:
    """``where``: the ``most`` modules that hold most of the metric that the verdict is about, with their sources.

    ``source`` finds these; without it they are those that the result has. There are no lines where no module has
    anything of it.
    """
    return _lines(result, costliest(result.cost, _metric(result), below=result.module, most=most), source)


def sources_of(result: Result, root: str) -> dict[str, str]:
    """``file:line`` of the modules in `where_lines`, to be found where their classes are loaded."""
    rows = costliest(result.cost, _metric(result), below=result.module)
    found = {row.name: locate(result.cost, row.name, root) for row in rows}
    return {name: place for name, place in found.items() if place}


def every_module(result: Result, *, source: Source | None = None) -> list[str]:
    """`where_lines` of all modules below the one that the entry is about, in the model's order."""
    below = f"{result.module}." if result.module else ""
    rows = [row for name, row in result.cost.modules.items() if name and name.startswith(below)]
    return _lines(result, rows, source)


def _metric(result: Result) -> str:
    """The metric that says where the one that the verdict is about goes: itself, if modules have it."""
    worst = result.verdict.worst
    return find_metric(worst).where or worst


def _lines(result: Result, rows: Sequence[ModuleCost], source: Source | None) -> list[str]:
    worst, metric = result.verdict.worst, _metric(result)
    whole, values = result.cost.metric(metric, result.module) or 0, module_values(result.cost, metric)
    if not rows or not any(values.values()):
        return []
    texts = []
    for row in rows:
        value = values[row.name]
        texts.append([shown(row.name), shown(row.kind), show(value, metric), share_of(row, metric, value, whole)])
        texts[-1].append(shown(source(row.name) if source is not None else result.sources.get(row.name, "")))
    note = [f"told by {metric}: modules do not have {worst}"] if metric != worst else []
    return labelled("where  ", [*plain_table(texts, right=(2, 3)).splitlines(), *note])


def share_of(row: ModuleCost, metric: str, value: int, whole: int) -> str:
    """The share of a module; of what it is tied to, the module that comes first has it, so that shares add up."""
    tied = row.tied(metric)
    if not tied:
        return units.share(value, whole)
    return "tied" if tied == value else f"{units.share(value - tied, whole)}, rest tied"


def module_values(cost: Cost, metric: str) -> Mapping[str, int]:
    """One metric of every module, with everything below it; empty where modules do not have it."""
    if find_metric(metric).estimate:
        times = cost.throughput.by_module() if cost.throughput is not None else {}
        return {name: times.get(name, 0) for name in cost.modules}
    return {name: getattr(row, metric) for name, row in cost.modules.items() if hasattr(row, metric)}


def costliest(cost: Cost, metric: str, *, below: str = "", most: int = 5) -> list[ModuleCost]:
    """The modules that tell where ``metric`` goes: the largest that do not contain one another.

    Starting from the children of ``below``, a module that holds more than half gives way to its own children
    until there are ``most`` of them, so that one wrapper does not hide everything. It stays where more of its cost
    is its own than any child's.
    """
    values = module_values(cost, metric)
    children: dict[str, list[str]] = {}
    for name in values:
        if name:
            children.setdefault(name.rpartition(".")[0], []).append(name)
    whole = values.get(below, 0)
    found = [n for n in children.get(below, []) if values[n] > 0]
    while found and len(found) < most:
        largest = max(found, key=lambda n: values[n])
        inside = [n for n in children.get(largest, []) if values[n] > 0]
        value = values[largest]
        parts = [values[n] for n in inside]
        if not inside or value * 2 <= whole or value - sum(parts) > max(parts):
            break
        found.remove(largest)
        found.extend(inside)
    rows = sorted((cost.modules[n] for n in found), key=lambda row: -values[row.name])
    return rows[:most]
