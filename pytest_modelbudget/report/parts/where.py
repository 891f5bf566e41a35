"""Where a cost is: the modules that hold most of a metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ...errors import UsageError
from ...judging.source import locate
from ...text import units
from ...text.line import shown
from ...text.tables import plain_table
from ...values.cost import Cost
from ...values.metrics import find_metric, show
from ...values.result import Result
from ...values.rows import rows_of, with_below
from .description import with_times
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
    return _lines(result, _places(result.cost, _metric(result), result.module)[1:], source)


def _metric(result: Result) -> str:
    """The metric that says where the one that the verdict is about goes: itself, if modules have it."""
    worst = result.verdict.worst
    return find_metric(worst).where or worst


@dataclass(frozen=True)
class Place:
    """A module, or ``times`` that repeat, with what they have of a metric, everything below included.

    ``shares`` is a module that has the same tensors.
    """

    name: str
    kind: str
    value: int
    times: int = 1
    shares: str = ""


def _lines(result: Result, places: Sequence[Place], source: Source | None) -> list[str]:
    worst, metric = result.verdict.worst, _metric(result)
    if not any(place.value for place in places):
        return []
    whole = result.cost.metric(metric, result.module) or 0
    texts = []
    for place in places:
        share = share_of(place.value, whole, place.shares)
        texts.append([shown(place.name), kind_of(place), show(place.value, metric), share])
        texts[-1].append(shown(source(place.name) if source is not None else result.sources.get(place.name, "")))
    note = [f"told by {metric}: modules do not have {worst}"] if metric != worst else []
    return labelled("where  ", [*plain_table(texts, right=(2, 3)).splitlines(), *note])


def share_of(value: int, whole: int, shares: str) -> str:
    """The share of a module; what it ``shares`` with another is the other's, so that shares add up."""
    return "tied" if shares and not value else units.share(value, whole)


def kind_of(place: Place) -> str:
    """The class, and how many there are of it."""
    return with_times(shown(place.kind), place.times)


def _places(cost: Cost, metric: str, top: str) -> list[Place]:
    """The modules from ``top`` down, in the model's order: those that repeat as one, where rows have the metric."""
    if find_metric(metric).in_rows:
        rows = rows_of(cost.modules, top)
        sums = with_below({row.name: int(getattr(row, metric)) for row in rows})
        return [Place(row.name, row.kind, sums[row.name], row.times, row.shares) for row in rows]
    values = module_values(cost, metric)
    inside = [name for name in values if name == top or not top or name.startswith(f"{top}.")]
    return [Place(name, cost.modules[name].kind, values[name]) for name in inside]


def module_values(cost: Cost, metric: str) -> Mapping[str, int]:
    """One metric of every module, with everything below it; empty where modules do not have it.

    So it is for times on a device whose file is not there, as where a report is read on another machine.
    """
    if find_metric(metric).estimate and find_metric(metric).in_modules:
        try:
            times = cost.throughput.by_module() if cost.throughput is not None else {}
        except UsageError:
            return {}
        return {name: times.get(name, 0) for name in cost.modules}
    return {name: getattr(row, metric) for name, row in cost.modules.items() if hasattr(row, metric)}


def costliest(cost: Cost, metric: str, *, below: str = "", most: int = 5) -> list[Place]:
    """The modules that tell where ``metric`` goes: the largest that do not contain one another.

    Starting from the children of ``below``, a module that holds more than half gives way to its own children
    until there are ``most`` of them, so that one wrapper does not hide everything. It stays where more of its cost
    is its own than any child's.
    """
    places = {place.name: place for place in _places(cost, metric, below)}
    children: dict[str, list[Place]] = {}
    for name, place in places.items():
        if name != below and place.value > 0:
            children.setdefault(name.rpartition(".")[0], []).append(place)
    whole = places[below].value if below in places else 0
    found = children.get(below, [])
    while found and len(found) < most:
        largest = max(found, key=lambda place: place.value)
        inside = children.get(largest.name, [])
        parts = [place.value for place in inside]
        if not inside or largest.value * 2 <= whole or largest.value - sum(parts) > max(parts):
            break
        found = [place for place in found if place is not largest] + inside
    return sorted(found, key=lambda place: -place.value)[:most]
