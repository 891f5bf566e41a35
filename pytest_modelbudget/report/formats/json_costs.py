"""The modules of costs, what each kept at the peak, and their work, as the tables that a report has of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...text.checks import Wrong, a_record, an_object
from ...text.json import Place
from ...values.cost import ModuleCost
from ...values.rows import ModuleRow, varying
from ...values.work import Products, Work
from .json_checks import check
from .json_tables import Columns, Kind, Pool, Reader, Writer, a_number

_MODULE = Columns.of(ModuleCost, attribute=str | None, memory=int | None, kept=int | None)
"""``None``: the attribute that the name ends with; the memory that is all kept here and below; nothing kept."""

_KINDS = {
    "modules": Kind("name", _MODULE, (*varying(ModuleCost), "kept")),
    "work": Kind("module", Columns.of(Work, shape=int | None), ("flops", "bytes", "shape"), unique=False),
    "before": Kind("name", Columns.of(ModuleRow), varying(ModuleRow)),
}
_SHAPES = Columns.of(Products)


class CostWriter:
    """Writes the costs of a report; `shared` then has what they have in common."""

    def __init__(self) -> None:
        self._writers = {name: Writer(kind) for name, kind in _KINDS.items()}
        self._shapes = Pool()

    def cost(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """A cost, as `Cost.to_dict` gives it."""
        cost, kept = dict(data), {}
        if cost["peak"] is not None:
            kept = cost["peak"]["kept"]
            names = {row["name"] for row in cost["modules"]}
            cost["peak"] = {**cost["peak"], "kept": {name: kept[name] for name in kept if name not in names}}
        sums = _sums_of(kept, cost["modules"])
        cost["modules"] = self._writers["modules"].write(
            {
                **row,
                "attribute": None if row["attribute"] == _last(row["name"]) else row["attribute"],
                "memory": None if row["memory"] == sums[row["name"]] else row["memory"],
                "kept": kept.get(row["name"]),
            }
            for row in cost["modules"]
        )
        if cost["throughput"] is not None:
            work = [{**row, "shape": self._shape(row["shape"])} for row in cost["throughput"]["work"]]
            cost["throughput"] = {**cost["throughput"], "work": self._writers["work"].write(work)}
        return cost

    def _shape(self, shape: Mapping[str, Any] | None) -> int | None:
        return None if shape is None else self._shapes.number(tuple(shape[name] for name in _SHAPES.types))

    def before(self, rows: Iterable[ModuleRow]) -> dict[str, Any]:
        """The rows of a baseline's entry."""
        return self._writers["before"].write(row.to_dict() for row in rows)

    def shared(self) -> dict[str, Any]:
        """What all costs have in common."""
        lists = {name: writer.shared() for name, writer in self._writers.items()}
        return {**lists, "shapes": _SHAPES.table(self._shapes.rows)}


class CostReader:
    """Reads what a `CostWriter` wrote, of `shared`. Raises `Wrong`."""

    def __init__(self, tree: Any, place: Place) -> None:
        data = a_record(tree, place, (*_KINDS, "shapes"))
        self._readers = {name: Reader(kind, data[name], (*place, name)) for name, kind in _KINDS.items()}
        self._shapes = _SHAPES.read(data["shapes"], (*place, "shapes"))

    def cost(self, tree: Any, place: Place) -> dict[str, Any]:
        """A cost, of which modules, what they kept, and work are checked, and as `Cost.to_dict` gives them."""
        cost = dict(an_object(tree, place))
        if "modules" in cost:
            cost |= self._modules(cost, place)
        if cost.get("throughput") is not None:
            throughput = an_object(cost["throughput"], (*place, "throughput"))
            if "work" in throughput:
                work = self._work(throughput["work"], (*place, "throughput", "work"))
                cost["throughput"] = {**throughput, "work": work}
        return cost

    def _modules(self, cost: Mapping[str, Any], place: Place) -> dict[str, Any]:
        here = (*place, "modules")
        rows = self._readers["modules"].read(cost["modules"], here)
        kept = {row["name"]: row["kept"] for row in rows if row["kept"] is not None}
        peak = cost.get("peak")
        if peak is None and kept:
            raise Wrong("what modules kept at a peak, where there is none", (*here, "costs"))
        if peak is not None and "kept" in an_object(peak, (*place, "peak")):
            at = (*place, "peak", "kept")
            check(peak["kept"], Mapping[str, int], at)
            for name in peak["kept"]:
                if name in kept:
                    raise Wrong("a second row for this module", (*at, name))
            kept |= peak["kept"]
            peak = {**peak, "kept": kept}
        sums = _sums_of(kept, rows)
        for row in rows:
            name = row["name"]
            if row["attribute"] is None:
                row["attribute"] = _last(name)
            if row["memory"] is None:
                row["memory"] = sums[name]
            del row["kept"]
        return {"modules": rows} | ({"peak": peak} if "peak" in cost else {})

    def _work(self, tree: Any, place: Place) -> list[dict[str, Any]]:
        rows = self._readers["work"].read(tree, place)
        many = len(self._shapes)
        for row in rows:
            if row["shape"] is not None:
                row["shape"] = self._shapes[a_number(row["shape"], (*place, "costs", "shape"), many)]
        return rows

    def before(self, tree: Any, place: Place) -> tuple[ModuleRow, ...]:
        """The rows of a baseline's entry, parents before children."""
        rows = tuple(ModuleRow(**row) for row in self._readers["before"].read(tree, place))
        above = {row.name for row in rows[:1]}
        for row in rows[1:]:
            if row.name.rpartition(".")[0] not in above:
                raise Wrong(f"{row.name!r}, a row whose parent has none above it", place)
            above.add(row.name)
        return rows


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _sums_of(kept: Mapping[str, int], modules: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """What each module kept with everything below it."""
    sums = {row["name"]: 0 for row in modules}
    for name, size in kept.items():
        above = name
        while above in sums:
            sums[above] += size
            if not above:
                break
            above = above.rpartition(".")[0]
    return sums
