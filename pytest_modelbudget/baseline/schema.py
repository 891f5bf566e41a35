"""The baseline as values and as JSON text: written one way only, read strictly."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from .._version import __version__
from ..errors import BudgetError
from ..text.checks import Wrong, a_count, a_record, a_text, an_object, one_of, show
from ..text.json import Conflict, Damaged, Place, decode, lines_of, parse
from ..values.entry import Entry
from ..values.frozen import freeze
from ..values.metrics import metric_names
from ..values.peak import KINDS, PHASES, Peak
from ..values.point import OperatingPoint
from ..values.request import CONVENTIONS
from ..values.result import Result
from ..values.rows import ModuleRow
from .rows import build_line, cost_columns, read_builds, read_costs

FORMAT = 2
"""The format this version writes, and the only one it reads. Their history:

1: entries by name; of each its operating point, totals, versions, and one row a module with everything below it.
2 (0.1.0): a row for blocks that repeat; what each module is and costs itself; what the peak of memory was for.
"""


class BaselineError(BudgetError):
    """A baseline that cannot be read or written: the file and line, what is there, what is allowed, what to do."""


@dataclass(frozen=True)
class Baseline:
    """Entries by name."""

    entries: Mapping[str, Entry]

    def __post_init__(self) -> None:
        """Nothing in a baseline changes."""
        freeze(self, "entries")

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Baseline:
        """A baseline of these entries, sorted by name."""
        return cls({entry.name: entry for entry in sorted(entries, key=lambda entry: entry.name)})


_TEXTS = ("test", "model", "inputs", "module", "counter", "plugin_version", "torch_version")
_SOMETIMES = ("name", "test", "module", "peak")
"""Fields that are left out where they say nothing: the test of the entry's name, the whole model, no memory."""
_FIELDS = (*(field.name for field in fields(Entry) if field.name not in _SOMETIMES), "costs")
_ORDER = ("test", "model", "module", *_FIELDS[1:-2], "peak", *_FIELDS[-2:])
"""The fields of an entry as they are written."""


def entry_of(result: Result, plugin_version: str = __version__) -> Entry:
    """What the baseline keeps of a result. Raises `UsageError` where its ``module`` is not in the model."""
    return Entry.of(result.cost, result.entry, test=result.nodeid, module=result.module, plugin_version=plugin_version)


def to_json(baseline: Baseline) -> str:
    """Write a baseline: ASCII, sorted, one line a field and one line a module, the same text for the same data.

    Entries whose modules are the same, whatever they cost, have them written with the first of these entries, which the
    others name. Raises `BaselineError` for values that `from_json` would refuse.
    """
    first: dict[str, str] = {}  # by what the modules are: the entry that has them written
    entries = {}
    for name in sorted(baseline.entries):
        entry = baseline.entries[name]
        builds = [build_line(row) for row in entry.modules]
        like = first.setdefault(json.dumps(builds), name)
        entries[name] = _plain(entry, builds if like == name else like)
    try:
        _read_entries(entries)
    except Wrong as wrong:
        raise BaselineError(f"The baseline cannot be written: {show(wrong.place)}: {wrong}.") from None
    body = ",\n".join(_entry_text(name, data) for name, data in entries.items())
    return f'{{\n  "format": {FORMAT},\n  "entries": {{' + (f"\n{body}\n  " if body else "") + "}\n}\n"


def _plain(entry: Entry, modules: list[dict[str, Any]] | str) -> dict[str, Any]:
    """An entry as plain data; ``modules`` are its own, or the name of the entry that has the same."""
    ordered = dict.fromkeys((*metric_names(recorded=True), *entry.totals))
    known = {
        **vars(entry),
        "point": entry.point.to_dict(),
        "totals": {metric: entry.totals[metric] for metric in ordered if metric in entry.totals},
        "modules": modules,
        "costs": cost_columns(entry.modules),
    }
    if entry.peak is not None:
        kinds = {kind: size for kind, size in entry.peak.kinds.items() if size}
        known["peak"] = {"phase": entry.peak.phase, "kinds": kinds, "phases": dict(entry.peak.phases)}
    unsaid = {"test": entry.name, "module": "", "peak": None}
    return {field: known[field] for field in _ORDER if field not in unsaid or known[field] != unsaid[field]}


def _entry_text(name: str, data: dict[str, Any]) -> str:
    return f"    {json.dumps(name)}: {{\n" + ",\n".join(_field_text(*item) for item in data.items()) + "\n    }"


def _field_text(field: str, value: Any) -> str:
    """A field on a line; of modules, and of what they cost, a line for each."""
    if field == "costs" and value:
        lines = ",\n".join(f"        {json.dumps(metric)}: {_compact(column)}" for metric, column in value.items())
        text = f"{{\n{lines}\n      }}"
    elif field == "modules" and isinstance(value, list) and value:
        text = "[\n" + ",\n".join(f"        {json.dumps(row)}" for row in value) + "\n      ]"
    else:
        text = json.dumps(value)
    return f"      {json.dumps(field)}: {text}"


def _compact(column: list[int]) -> str:
    return json.dumps(column, separators=(",", ":"))


class _Older(Wrong):
    """The file is of a format that this version does not know any more."""


class _Newer(Wrong):
    """The file is of a format that this version does not know yet."""


def from_json(text: str | bytes, file: str) -> Baseline:
    """Read what `to_json` wrote; ``file`` is its name in messages.

    Raises `BaselineError`, and no other error, for anything else.
    """
    name = shlex.quote(file)
    restore = f"Restore the file with git checkout -- {name}"
    try:
        source = decode(text) if isinstance(text, bytes) else text
        return _read(parse(source))
    except Conflict as error:
        what, line = str(error), str(error.line)
        remedy = f"Keep one side with git checkout --ours -- {name} (or --theirs), then run pytest --budget-update."
    except Damaged as error:
        what, line = str(error), f"{error.line}:{error.column}" if error.column else str(error.line)
        remedy = f"{restore}, or delete it, then run pytest --budget-update."
    except Wrong as wrong:
        first, *more = lines_of(source, wrong.place) or [1]
        what = f"{show(wrong.place)}: {wrong}" + (f", the first time on line {first}" if more else "")
        line = str([first, *more][-1])
        remedy = f"{restore}, or correct that line, then run pytest --budget-update."
        if isinstance(wrong, _Newer):
            remedy = "Upgrade this one with pip install --upgrade pytest-modelbudget."
        if isinstance(wrong, _Older):
            remedy = f"Record it anew: rm {name}, then run pytest --budget-update."
    raise BaselineError(f"{file}:{line}: {what}.\n{remedy}")


def _read(tree: Any) -> Baseline:
    data = an_object(tree, ())
    if "format" in data:  # before all else: a newer format may differ in any way
        number = a_count(data["format"], ("format",), least=1)
        if number > FORMAT:
            what = f"{number} was written by a newer pytest-modelbudget; this one, {__version__}, reads {FORMAT}"
            raise _Newer(what, ("format",))
        if number < FORMAT:
            what = f"{number} is older than what this pytest-modelbudget, {__version__}, reads, which is {FORMAT}"
            raise _Older(what, ("format",))
    return _read_entries(a_record(data, (), ("format", "entries"))["entries"])


def _read_entries(tree: Any) -> Baseline:
    entries = an_object(tree, ("entries",))
    builds: dict[str, tuple[ModuleRow, ...]] = {}
    for name, data in entries.items():
        if isinstance(data, dict) and isinstance(data.get("modules"), list):
            top = a_text(data.get("module", ""), ("entries", name, "module"))
            builds[name] = read_builds(data["modules"], ("entries", name, "modules"), top)
    return Baseline.of(_read_entry(name, data, ("entries", name), builds) for name, data in entries.items())


def _read_entry(name: str, tree: Any, place: Place, builds: Mapping[str, tuple[ModuleRow, ...]]) -> Entry:
    a_text(name, place)
    unsaid = {"test": name, "module": ""}
    data = a_record(tree, place, _FIELDS, (*unsaid, "peak"))
    for field, value in unsaid.items():
        if data.get(field) == value:
            raise Wrong("what goes without saying, and is left out", (*place, field))
    data = {**unsaid, **data}
    texts = {field: a_text(data[field], (*place, field)) for field in _TEXTS}
    totals = a_record(
        data["totals"], (*place, "totals"), metric_names(always=True), metric_names(recorded=True, always=False)
    )
    return Entry(
        name=name,
        **texts,
        point=OperatingPoint.read(data["point"], (*place, "point")),
        convention=one_of(data["convention"], (*place, "convention"), CONVENTIONS),
        executed=one_of(data["executed"], (*place, "executed"), ("meta", "real")),
        totals={m: a_count(totals[m], (*place, "totals", m)) for m in metric_names(recorded=True) if m in totals},
        modules=read_costs(data["costs"], (*place, "costs"), _builds(name, data, place, builds)),
        peak=_read_peak(data["peak"], (*place, "peak")) if "peak" in data else None,
    )


def _builds(
    name: str, data: Mapping[str, Any], place: Place, builds: Mapping[str, tuple[ModuleRow, ...]]
) -> tuple[ModuleRow, ...]:
    """What the modules of an entry are: its own list, or that of the entry it names."""
    here = (*place, "modules")
    if isinstance(data["modules"], list):
        return builds[name]
    like = a_text(data["modules"], here)
    if like not in builds:
        raise Wrong(f"{json.dumps(like)} is no entry that has its modules listed", here)
    if builds[like] and builds[like][0].name != data["module"]:
        raise Wrong(f"the modules of {json.dumps(like)} are those of another part of the model", here)
    return builds[like]


def _read_peak(tree: Any, place: Place) -> Peak:
    data = a_record(tree, place, ("phase", "kinds", "phases"))
    kinds = a_record(data["kinds"], (*place, "kinds"), (), KINDS)
    for kind, size in kinds.items():
        a_count(size, (*place, "kinds", kind), least=1)
    phases = a_record(data["phases"], (*place, "phases"), (), PHASES)
    return Peak(
        phase=one_of(data["phase"], (*place, "phase"), PHASES),
        module="",
        kinds={kind: a_count(kinds.get(kind, 0), (*place, "kinds", kind)) for kind in KINDS},
        phases={phase: a_count(phases[phase], (*place, "phases", phase)) for phase in PHASES if phase in phases},
        kept={},
    )
