"""Why a cost differs from its baseline, found by counting again: the new model at the old operating point.

``total = architecture x batch x resolution x sequence``: each factor changes one thing and keeps the rest, so
they multiply to the total exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from .cost import Cost
from .errors import BudgetError
from .growth import Comparison, Factor, Growth, ModuleChange
from .point import OperatingPoint
from .source import locate

if TYPE_CHECKING:
    from .baseline.schema import Entry

Recount = Callable[[OperatingPoint], Cost]
"""Counts the model as it is now at another operating point. Raises `BudgetError` where it cannot run there."""

_DIMENSIONS = (("batch", "batch"), ("res", "resolution"), ("seq", "sequence"), ("channels", "channels"))
_ROW_METRICS = ("flops", "macs", "params", "activations")


def compare(cost: Cost, old: Entry | None, *, module: str = "") -> Comparison:
    """A cost beside its baseline entry, without the reasons."""
    if old is None:
        return Comparison("new")
    before = Comparison("same", before=old.totals, point=old.point)
    now = {metric: value for metric in old.totals if (value := cost.metric(metric, module)) is not None}
    if now == {metric: old.totals[metric] for metric in now}:
        return before
    reason = _not_comparable(cost, old)
    if reason:
        return replace(before, status="not comparable", reason=reason)
    return replace(before, status="changed")


def _not_comparable(cost: Cost, old: Entry) -> str:
    """Whether the counting, not the model, is what differs; in words, or empty."""
    for what, now, before in (
        ("convention", cost.convention, old.convention),
        ("counter", cost.counter, old.counter),
        ("mode", cost.point.mode, old.point.mode),
        ("dtype", cost.point.dtype, old.point.dtype),
    ):
        if now != before:
            return f"the baseline was counted with {what} {before or 'default'}, this run with {now or 'default'}"
    if cost.torch_version == old.torch_version and old.plugin_version == _plugin_version():
        return ""
    same_build = all(
        (row := cost.modules.get(kept.name)) is not None
        and (row.kind, row.config, row.params) == (kept.kind, kept.config, kept.params)
        for kept in old.modules
    )
    if not same_build or cost.point != old.point:
        return ""
    return (
        "the model is the same, the counting is not: the baseline was counted with pytest-modelbudget "
        f"{old.plugin_version} and torch {old.torch_version}, "
        f"this run with {_plugin_version()} and {cost.torch_version}"
    )


def _plugin_version() -> str:
    from ._version import __version__

    return __version__


def explain(cost: Cost, old: Entry, recount: Recount, metric: str, *, module: str = "", root: str = "") -> Growth:
    """Why ``metric`` is not what it was: its factors, and the modules that changed at the old operating point."""
    before, after = old.totals[metric], cost.metric(metric, module) or 0
    point = cost.point
    changed = [(field, name) for field, name in _DIMENSIONS if getattr(point, field) != getattr(old.point, field)]
    at_old = replace(point, **{field: getattr(old.point, field) for field, _ in changed})
    try:
        architecture = recount(at_old) if changed else cost
        factors = [Factor("architecture", before, architecture.metric(metric, module) or 0)]
        here = at_old
        for field, name in changed:
            here = replace(here, **{field: getattr(point, field)})
            step = cost if here == point else recount(here)
            reached = step.metric(metric, module) or 0
            factors.append(Factor(name, factors[-1].after, reached, _show(old.point, field), _show(point, field)))
    except BudgetError as error:
        note = f"The model as it is now cannot be counted at {at_old}: {str(error).splitlines()[0]}"
        return Growth(metric, before, after, note=note)
    compared = metric if metric in _ROW_METRICS else "params"
    note = _versions_note(cost, old) if factors[0].ratio != 1 else ""
    modules = module_changes(
        old.modules,
        architecture.modules.values(),
        compared,
        top=module,
        source=lambda name: locate(architecture, name, root),
    )
    return Growth(metric, before, after, tuple(factors), modules, note)


def _show(point: OperatingPoint, field: str) -> str:
    value = point.show_res() if field == "res" else getattr(point, field)
    return str(value) if value else "none"


def _versions_note(cost: Cost, old: Entry) -> str:
    if cost.torch_version == old.torch_version and old.plugin_version == _plugin_version():
        return ""
    return (
        f"The baseline was counted with pytest-modelbudget {old.plugin_version} and torch {old.torch_version}; "
        "part of the architecture's factor may come from the counting."
    )


class Row(Protocol):
    """What modules are compared by: a row of a baseline and a `ModuleCost` both have it."""

    @property
    def name(self) -> str:
        """The qualified name."""

    @property
    def kind(self) -> str:
        """The class."""

    @property
    def config(self) -> str:
        """The module's own description."""

    @property
    def flops(self) -> int:
        """FLOPs with everything below."""

    @property
    def macs(self) -> int:
        """Multiply-adds with everything below."""

    @property
    def params(self) -> int:
        """Parameters with everything below."""

    @property
    def activations(self) -> int:
        """Activations with everything below."""


def module_changes(
    old_rows: Iterable[Row],
    new_rows: Iterable[Row],
    metric: str,
    *,
    top: str = "",
    source: Callable[[str], str] = lambda name: "",
) -> tuple[ModuleChange, ...]:
    """Modules added, removed, changed or renamed between two lists of them, the largest difference first.

    A list has the children of a module that cost something, or none of them: a child that is missing below a module
    whose children are listed is not there. ``source`` gives the place of a new module in the code.
    """
    old, new = {row.name: row for row in old_rows}, {row.name: row for row in new_rows}
    listed_before, listed_now = _expanded(old, top), _expanded(new, top)
    added = [
        name for name in new if name not in old and name != top and _parent(name) in listed_before and _costs(new[name])
    ]
    removed = [
        name for name in old if name not in new and name != top and _parent(name) in listed_now and _costs(old[name])
    ]
    renamed = _renames(old, new, removed, added)
    changes = [_change("renamed", metric, source, new=new[now], was=old[was]) for was, now in renamed.items()]
    changes += [_change("added", metric, source, new=new[n]) for n in added if n not in renamed.values()]
    changes += [_change("removed", metric, source, was=old[n]) for n in removed if n not in renamed]
    both = listed_before & listed_now
    changes += [
        _change("changed", metric, source, new=new[name], was=row)
        for name, row in old.items()
        if name in new and _differs(row, new[name], metric, deep=name in both)
    ]
    return tuple(sorted(changes, key=lambda c: (-abs(c.after - c.before), c.name)))


def _expanded(rows: Iterable[str], top: str) -> set[str]:
    return {top} | {_parent(name) for name in rows if name and name != top}


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


def _costs(row: Row) -> bool:
    return any(getattr(row, metric) for metric in _ROW_METRICS)


def _differs(was: Row, new: Row, metric: str, *, deep: bool) -> bool:
    """Whether a module changed itself; one whose children are compared changed only by class or configuration."""
    if (was.kind, was.config) != (new.kind, new.config):
        return _costs(was) or _costs(new)
    return not deep and (getattr(was, metric), was.params) != (getattr(new, metric), new.params)


def _renames(old: Mapping[str, Row], new: Mapping[str, Row], removed: list[str], added: list[str]) -> dict[str, str]:
    """Removed and added modules that are one and the same but for the name, old name to new."""
    pairs: dict[str, str] = {}
    for was in removed:
        same = (n for n in added if n not in pairs.values() and _identity(old[was]) == _identity(new[n]))
        match = next(same, None)
        if match is not None:
            pairs[was] = match
    return pairs


def _identity(row: Row) -> tuple[object, ...]:
    return (row.kind, row.config, *(getattr(row, metric) for metric in _ROW_METRICS))


def _change(
    status: str, metric: str, source: Callable[[str], str], *, new: Row | None = None, was: Row | None = None
) -> ModuleChange:
    one = new if new is not None else was
    assert one is not None  # a change has at least one side
    return ModuleChange(
        status=status,
        name=one.name,
        kind=one.kind,
        config=one.config,
        before=getattr(was, metric) if was is not None else 0,
        after=getattr(new, metric) if new is not None else 0,
        was_name=was.name if was is not None else "",
        was_kind=was.kind if was is not None else "",
        was_config=was.config if was is not None else "",
        source=source(one.name) if new is not None else "",
    )
