"""The modules of an entry as JSON: what they are, one line a row, and beside it what each costs, one line a metric.

What modules are is the same at every operating point, so entries of one model have that written once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..text.checks import Wrong, a_count, a_list, a_record, a_text, an_object
from ..text.columns import columns_of, read_columns
from ..text.json import Place
from ..values.metrics import metric_names
from ..values.rows import DEEPEST, ModuleRow, varying

BUILT = metric_names(in_rows=True, built=True)
_NOTHING = dict.fromkeys(varying(ModuleRow), 0)
"""What differs from one operating point to another, where there is nothing of it."""

_NUMBERS = ("times", "calls", "recomputed", *BUILT)
_TEXTS = ("config", "shares")


def build_line(row: ModuleRow) -> dict[str, Any]:
    """What a row is, as plain data without what goes without saying."""
    data: dict[str, Any] = {"name": row.name, "kind": row.kind}
    data |= {name: getattr(row, name) for name in _TEXTS if getattr(row, name)}
    unsaid = _unsaid(row.times, row.params)
    data |= {name: getattr(row, name) for name in _NUMBERS if getattr(row, name) != unsaid[name]}
    if row.operators:
        data["operators"] = dict(row.operators)
    return data


def _unsaid(times: int, params: int) -> dict[str, int]:
    """The numbers of a row where they are not written: each module is called once, every parameter is trained."""
    return {**dict.fromkeys(_NUMBERS, 0), "times": 1, "calls": times, "trainable_params": params}


def cost_columns(rows: Sequence[ModuleRow]) -> dict[str, list[int]]:
    """What the rows cost, in their order, by metric; a metric of which no row has anything is left out."""
    return columns_of([vars(row) for row in rows], _NOTHING)


def read_builds(tree: Any, place: Place, top: str) -> tuple[ModuleRow, ...]:
    """Read what `build_line` made of rows, the first of which is named ``top``. Raises `Wrong`."""
    rows: dict[str, ModuleRow] = {}
    for number, item in enumerate(a_list(tree, place)):
        here = (*place, number)
        row = _read_build(item, here)
        if row.name in rows:
            raise Wrong("a second row for this module", (*here, "name"))
        if (row.name != top) if not rows else (row.name.rpartition(".")[0] not in rows):
            raise Wrong("a row whose parent has none above it", (*here, "name"))
        if row.name.count(".") > DEEPEST:
            raise Wrong(f"more than {DEEPEST} modules within one another", (*here, "name"))
        if rows and row.times % rows[row.name.rpartition(".")[0]].times:
            raise Wrong("no multiple of how often the module above it is there", (*here, "times"))
        rows[row.name] = row
    return tuple(rows.values())


def _read_build(item: Any, here: Place) -> ModuleRow:
    data = a_record(item, here, ("name", "kind"), (*_TEXTS, *_NUMBERS, "operators"))
    texts = {name: a_text(data.get(name, ""), (*here, name)) for name in ("name", "kind", *_TEXTS)}
    numbers = {
        name: a_count(data[name], (*here, name), least=int(name == "times")) for name in _NUMBERS if name in data
    }
    known = _unsaid(numbers.get("times", 1), numbers.get("params", 0)) | numbers
    operators = an_object(data.get("operators", {}), (*here, "operators"))
    calls = {a_text(name, here): a_count(n, (*here, "operators", name)) for name, n in operators.items()}
    values: dict[str, Any] = {**texts, **known}
    row = ModuleRow(operators=dict(sorted(calls.items())), **values)
    for name in data:
        if name not in build_line(row):
            raise Wrong("what goes without saying, and is left out", (*here, name))
    return row


def read_costs(tree: Any, place: Place, builds: Sequence[ModuleRow]) -> tuple[ModuleRow, ...]:
    """Read what `cost_columns` made, for rows that are known otherwise. Raises `Wrong`."""
    costs = read_columns(tree, place, _NOTHING, len(builds), lambda _, value, here: a_count(value, here))
    return tuple(replace(row, **cost) for row, cost in zip(builds, costs, strict=True))
