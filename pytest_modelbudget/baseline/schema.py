"""The baseline as values and as JSON text: written one way only, read strictly."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from .._version import __version__
from ..errors import BudgetError
from ..text.checks import Wrong, a_count, a_list, a_record, a_text, an_object, one_of, show
from ..text.json import Conflict, Damaged, Place, decode, lines_of, parse
from ..values.entry import Entry, ModuleRow
from ..values.frozen import freeze
from ..values.metrics import metric_names
from ..values.point import OperatingPoint
from ..values.request import CONVENTIONS
from ..values.result import Result

FORMAT = 1
"""The format this version writes, and the only one it reads. Their history:

1 (0.1.0): entries by name; of each its operating point, totals, versions, and one row a module.
"""

_EXPANDED_ABOVE = 6  # percent of an entry's FLOPs or parameters: a module that holds more has its children listed


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
_ENTRY = tuple(field.name for field in fields(Entry) if field.name != "name")
_ROW = tuple(field.name for field in fields(ModuleRow))
_ROW_TEXTS, _ROW_COUNTS = _ROW[:3], _ROW[3:]


def entry_of(result: Result, plugin_version: str = __version__) -> Entry:
    """What the baseline keeps of a result: the rows from its module down, below every module that holds much of it.

    Raises `UsageError` where its ``module`` is not in the model.
    """
    entry = Entry.of(result.cost, result.entry, test=result.nodeid, module=result.module, plugin_version=plugin_version)
    return replace(entry, modules=tuple(_story(entry)))


def _story(entry: Entry) -> Iterator[ModuleRow]:
    expanded = {entry.module}
    for row in entry.modules:  # a module comes before its children
        if row.name == entry.module or row.name.rpartition(".")[0] in expanded:
            yield row
            if any(getattr(row, m) * 100 > _EXPANDED_ABOVE * entry.totals[m] for m in ("flops", "params")):
                expanded.add(row.name)


def to_json(baseline: Baseline) -> str:
    """Write a baseline: ASCII, sorted, one line a field and one line a module, the same text for the same data.

    Raises `BaselineError` for values that `from_json` would refuse.
    """
    entries = {name: _plain(baseline.entries[name]) for name in sorted(baseline.entries)}
    try:
        _read_entries(entries)
    except Wrong as wrong:
        raise BaselineError(f"The baseline cannot be written: {show(wrong.place)}: {wrong}.") from None
    body = ",\n".join(_entry_text(name, data) for name, data in entries.items())
    return f'{{\n  "format": {FORMAT},\n  "entries": {{' + (f"\n{body}\n  " if body else "") + "}\n}\n"


def _plain(entry: Entry) -> dict[str, Any]:
    ordered = dict.fromkeys((*metric_names(recorded=True), *entry.totals))
    totals = {metric: entry.totals[metric] for metric in ordered if metric in entry.totals}
    modules = [vars(row) for row in entry.modules]
    known = {**vars(entry), "point": entry.point.to_dict(), "totals": totals, "modules": modules}
    return {field: known[field] for field in _ENTRY}


def _entry_text(name: str, data: dict[str, Any]) -> str:
    lines = [f"      {json.dumps(field)}: {json.dumps(value)}" for field, value in data.items() if field != "modules"]
    rows = ",\n".join(f"        {json.dumps(row)}" for row in data["modules"])
    lines.append('      "modules": [' + (f"\n{rows}\n      ]" if rows else "]"))
    return f"    {json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n    }"


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
    raise BaselineError(f"{file}:{line}: {what}.\n{remedy}")


def _read(tree: Any) -> Baseline:
    data = an_object(tree, ())
    if "format" in data:  # before all else: a newer format may differ in any way
        number = a_count(data["format"], ("format",), least=1)
        if number > FORMAT:
            what = f"{number} was written by a newer pytest-modelbudget; this one, {__version__}, reads {FORMAT}"
            raise _Newer(what, ("format",))
    return _read_entries(a_record(data, (), ("format", "entries"))["entries"])


def _read_entries(tree: Any) -> Baseline:
    entries = an_object(tree, ("entries",))
    return Baseline.of(_read_entry(name, data, ("entries", name)) for name, data in entries.items())


def _read_entry(name: str, tree: Any, place: Place) -> Entry:
    a_text(name, place)
    data = a_record(tree, place, _ENTRY)
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
        modules=_read_rows(data["modules"], (*place, "modules"), texts["module"]),
    )


def _read_rows(tree: Any, place: Place, top: str) -> tuple[ModuleRow, ...]:
    rows: dict[str, ModuleRow] = {}
    for number, item in enumerate(a_list(tree, place)):
        here = (*place, number)
        data = a_record(item, here, _ROW)
        texts = {field: a_text(data[field], (*here, field)) for field in _ROW_TEXTS}
        counts = {field: a_count(data[field], (*here, field)) for field in _ROW_COUNTS}
        values: dict[str, Any] = {**texts, **counts}
        name = texts["name"]
        if name in rows:
            raise Wrong("a second row for this module", (*here, "name"))
        if (name != top) if not rows else (name.rpartition(".")[0] not in rows):
            raise Wrong("a row whose parent has none above it", (*here, "name"))
        rows[name] = ModuleRow(**values)
    return tuple(rows.values())
