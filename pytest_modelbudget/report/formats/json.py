"""A run as JSON, and back: docs/report-schema.md says what stands where."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ...text.checks import Wrong, a_count, a_record, an_object, one_of, show
from ...text.json import Damaged, Place, decode, lines_of, parse
from ...values.cost import ModuleCost
from ...values.result import Result
from ...values.rows import ModuleRow
from ...values.run import SCHEMA, Report, ReportError
from .json_checks import any_text, check
from .json_loops import defaults, folded, unfolded, without_defaults

FORMAT = "modelbudget-report"
"""What the field ``format`` says, which tells a report from a baseline."""

_LINE = 400
"""The longest text of an object or list that is on one line, in characters."""

_VERSIONS = ("plugin_version", "torch_version", "convention")


def render(report: Report) -> str:
    """Write a report: ASCII, the same text for the same data."""
    data = {
        "format": FORMAT,
        "schema": SCHEMA,
        **{name: getattr(report, name) for name in _VERSIONS},
        "results": [_plain(result) for result in report.results],
        "before": {entry: [row.to_dict() for row in rows] for entry, rows in report.before.items()},
    }
    return f"{_written(data)}\n"


def _plain(result: Result) -> dict[str, Any]:
    """A result, in which modules that repeat are written once."""
    data = result.to_dict()
    cost = data["cost"]
    modules = without_defaults(cost["modules"], ModuleCost)
    if result.cost.peak is not None and _sums_of(result.cost.peak.kept, modules) == _memory_of(modules):
        modules = [{name: value for name, value in row.items() if name != "memory"} for row in modules]
    cost["modules"] = folded(modules)
    if cost["peak"] is not None:
        kept = [{"module": name, "bytes": size} for name, size in cost["peak"]["kept"].items()]
        cost["peak"]["kept"] = folded(kept, "module")
    if cost["throughput"] is not None:
        cost["throughput"]["work"] = folded(cost["throughput"]["work"], "module")
    return data


def _memory_of(modules: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {row["name"]: row.get("memory", 0) for row in modules}


def _sums_of(kept: Mapping[str, Any], modules: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """What each module kept with everything below it: its memory, which need not be written."""
    sums = {row["name"]: 0 for row in modules}
    for name, size in kept.items():
        above = name
        while above in sums:
            sums[above] += size
            if not above:
                break
            above = above.rpartition(".")[0]
    return sums


def _with_memory(modules: Any, kept: Mapping[str, Any]) -> Any:
    """The modules, with the memory of each that was left out."""
    whole = isinstance(modules, list) and all(isinstance(m, dict) and isinstance(m.get("name"), str) for m in modules)
    if not whole or any("memory" in row for row in modules) or not all(type(size) is int for size in kept.values()):
        return modules
    sums = _sums_of(kept, modules)
    return [{**row, "memory": sums[row["name"]]} for row in modules]


def _written(data: Any, depth: int = 0) -> str:
    """JSON with a line for each field and row, down to what has no lists of rows in it."""
    flat = json.dumps(data)
    if len(flat) <= _LINE or not isinstance(data, (dict, list)):
        return flat
    pairs = data.items() if isinstance(data, dict) else ((None, item) for item in data)
    inner = [(f"{json.dumps(k)}: " if k is not None else "") + _written(v, depth + 1) for k, v in pairs]
    begin, end = "{}" if isinstance(data, dict) else "[]"
    space = "\n" + " " * depth
    return f"{begin}{space} " + f",{space} ".join(inner) + f"{space}{end}"


def from_json(text: str | bytes, file: str) -> Report:
    """Read what `render` wrote; ``file`` is its name in messages.

    Raises `ReportError`, and no other error, for anything else.
    """
    try:
        source = decode(text) if isinstance(text, bytes) else text
        return _report(parse(source))
    except Damaged as error:
        line, what = f"{error.line}:{error.column}" if error.column else str(error.line), str(error)
    except Wrong as wrong:
        line, what = str((lines_of(source, wrong.place) or [1])[-1]), f"{show(wrong.place)}: {wrong}"
    raise ReportError(f"{file}:{line}: {what}.\nWrite a new report with pytest --budget-report FILE.json")


def _report(tree: Any) -> Report:
    data = an_object(tree, ())
    if "entries" in data and "results" not in data:
        raise Wrong("a baseline, where a report belongs", ())
    if "schema" in data:  # before all else: a newer schema may differ in any way
        number = a_count(data["schema"], ("schema",), least=1)
        if number > SCHEMA:
            raise Wrong(f"{number} was written by a newer pytest-modelbudget; this one reads {SCHEMA}", ("schema",))
    a_record(data, (), ("format", "schema", *_VERSIONS, "results", "before"))
    one_of(data["format"], ("format",), (FORMAT,))
    unfold = _Unfolding()
    data = {**data, "results": unfold.results(data["results"])}
    try:
        check(data["results"], tuple[Result, ...], ("results",))
        check(data["before"], Mapping[str, tuple[ModuleRow, ...]], ("before",))
    except Wrong as wrong:
        raise Wrong(str(wrong), unfold.written(wrong.place)) from None
    return Report(
        **{name: any_text(data[name], (name,)) for name in _VERSIONS},
        results=tuple(Result.from_dict(result) for result in data["results"]),
        before={entry: tuple(ModuleRow(**row) for row in kept) for entry, kept in data["before"].items()},
    )


class _Unfolding:
    """Takes loops apart, before anything is checked, and knows where each row is written."""

    def __init__(self) -> None:
        self._places: dict[Place, Place] = {}

    def results(self, tree: Any) -> Any:
        """The results, as `Result.to_dict` gives them where they are right."""
        return [self._result(item, ("results", n)) for n, item in enumerate(tree)] if isinstance(tree, list) else tree

    def written(self, place: Place) -> Place:
        """Where it stands in the file what is at a place of what was unfolded."""
        for length in range(len(place), 0, -1):
            if place[:length] in self._places:
                return self._places[place[:length]] + place[length:]
        return place

    def _result(self, tree: Any, place: Place) -> Any:
        if not isinstance(tree, dict) or not isinstance(tree.get("cost"), dict):
            return tree
        cost, at = dict(tree["cost"]), (*place, "cost")
        if "modules" in cost:
            cost["modules"] = self._rows(cost["modules"], (*at, "modules"))
        peak, throughput = cost.get("peak"), cost.get("throughput")
        if isinstance(peak, dict) and "kept" in peak:
            kept = self._kept(peak["kept"], (*at, "peak", "kept"))
            cost["peak"] = {**peak, "kept": kept}
            cost["modules"] = _with_memory(cost.get("modules"), kept)
        if isinstance(throughput, dict) and "work" in throughput:
            work = self._rows(throughput["work"], (*at, "throughput", "work"), "module")
            cost["throughput"] = {**throughput, "work": work}
        if isinstance(cost.get("modules"), list):
            cost["modules"] = [{**defaults(ModuleCost), **m} if isinstance(m, dict) else m for m in cost["modules"]]
        return {**tree, "cost": cost}

    def _kept(self, tree: Any, place: Place) -> dict[str, Any]:
        """The bytes by module, of rows that have a module and its bytes."""
        rows, places = unfolded(tree, place, "module")
        found: dict[str, Any] = {}
        for row, here in zip(rows, places, strict=True):
            record = a_record(row, here, ("module", "bytes"))
            name = any_text(record["module"], (*here, "module"))
            if name in found:
                raise Wrong("a second row for this module", (*here, "module"))
            found[name] = row["bytes"]
            self._places[place + (name,)] = here + ("bytes",)  # noqa: RUF005 - a subscript with * needs Python 3.11
        return found

    def _rows(self, tree: Any, place: Place, key: str = "name") -> list[Any]:
        rows, places = unfolded(tree, place, key)
        self._places.update({(*place, number): here for number, here in enumerate(places)})
        return rows
