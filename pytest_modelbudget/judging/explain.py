"""Why a cost differs from its baseline, found by counting again: the new model at the old operating point.

``total = architecture x batch x resolution x sequence``: each factor changes one thing and keeps the rest, so
they multiply to the total exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from .._version import __version__
from ..errors import BudgetError
from ..values.cost import Cost
from ..values.growth import Comparison, Factor, Growth, ModuleChange
from ..values.point import OperatingPoint
from .source import locate

if TYPE_CHECKING:
    from ..baseline.schema import Entry

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
    reason = _not_comparable(cost, old, module)
    if reason:
        return replace(before, status="not comparable", reason=reason)
    return replace(before, status="changed")


def _not_comparable(cost: Cost, old: Entry, module: str) -> str:
    """Whether something else than the model or its operating point is what differs; in words, or empty."""
    if module != old.module:
        was_of, now_of = (f"module {name!r}" if name else "the whole model" for name in (old.module, module))
        return f"the baseline is of {was_of}, this run of {now_of}"
    for what, now, before in (
        ("convention", cost.convention, old.convention),
        ("counter", cost.counter, old.counter),
        ("mode", cost.point.mode, old.point.mode),
        ("dtype", cost.point.dtype, old.point.dtype),
        ("optimizer", cost.point.optimizer, old.point.optimizer),
        ("amp", cost.point.amp, old.point.amp),
        ("attention", cost.point.attention, old.point.attention),
        ("device", cost.point.device, old.point.device),
    ):
        if now != before:
            return f"the baseline was counted with {what} {before or 'default'}, this run with {now or 'default'}"
    if _same_versions(cost, old) or cost.point != old.point or not _same_build(cost, old):
        return ""
    was, now = _versions(cost, old)
    return f"the model is the same, the counting is not: the baseline was counted with {was}, this run with {now}"


def _same_versions(cost: Cost, old: Entry) -> bool:
    return (cost.torch_version, __version__) == (old.torch_version, old.plugin_version)


def _versions(cost: Cost, old: Entry) -> tuple[str, str]:
    """What the baseline was counted with, and what this run is."""
    return (
        f"pytest-modelbudget {old.plugin_version} and torch {old.torch_version}",
        f"pytest-modelbudget {__version__} and torch {cost.torch_version}",
    )


def _same_build(cost: Cost, old: Entry) -> bool:
    """Whether every module that the baseline lists is as it was, and was given the same inputs."""
    return cost.inputs == old.inputs and all(
        (row := cost.modules.get(kept.name)) is not None
        and (row.kind, row.config, row.params) == (kept.kind, kept.config, kept.params)
        for kept in old.modules
    )


def explain(cost: Cost, old: Entry, recount: Recount, metric: str, *, module: str = "", root: str = "") -> Growth:
    """Why ``metric`` is not what it was: its factors, and the modules that changed at the old operating point."""
    before, after = old.totals[metric], cost.metric(metric, module) or 0
    point = cost.point
    changed = [(field, name) for field, name in _DIMENSIONS if getattr(point, field) != getattr(old.point, field)]
    at_old = replace(point, **{field: getattr(old.point, field) for field, _ in changed})
    try:
        architecture = recount(at_old) if changed else cost
        factors = [_first_factor(architecture, old, before, architecture.metric(metric, module) or 0)]
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
    note = _versions_note(architecture, old) if factors[0].before != factors[0].after else ""
    modules = module_changes(
        old.modules,
        architecture.modules.values(),
        compared,
        top=module,
        source=lambda name: locate(architecture, name, root),
    )
    return Growth(metric, before, after, tuple(factors), modules, note)


def _first_factor(cost: Cost, old: Entry, before: int, after: int) -> Factor:
    """What the model costs now where the baseline was counted: the architecture's doing, where it can be told so."""
    if cost.inputs != old.inputs:
        return Factor("architecture and inputs", before, after, old.inputs, cost.inputs)
    if before != after and not _same_versions(cost, old) and _same_build(cost, old):
        return Factor("counting", before, after, *_versions(cost, old))
    return Factor("architecture", before, after)


def _show(point: OperatingPoint, field: str) -> str:
    value = point.show_res() if field == "res" else getattr(point, field)
    return str(value) if value else "none"


def _versions_note(cost: Cost, old: Entry) -> str:
    if _same_versions(cost, old) or _same_build(cost, old):
        return ""
    was, now = _versions(cost, old)
    return (
        f"The baseline was counted with {was}, this run with {now}: "
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
    old, new = _Tree(old_rows, top), _Tree(new_rows, top)
    added = [name for name in new.missing_from(old) if _costs(new.rows[name])]
    removed = [name for name in old.missing_from(new) if _costs(old.rows[name])]
    renamed = _renames(old, new, removed, added)
    changes = [
        _change("renamed", new.rows[now], metric, _value(old, was, metric), _value(new, now, metric), old.rows[was])
        for was, now in renamed.items()
    ]
    left = new.without(added, renamed.values(), metric)
    changes += [_change("added", new.rows[name], metric, 0, value) for name, value in left.items()]
    left = old.without(removed, renamed, metric)
    changes += [_change("removed", old.rows[name], metric, value, 0, old.rows[name]) for name, value in left.items()]
    changes += _changed(old, new, metric)
    found = [c if c.status == "removed" else replace(c, source=source(c.name)) for c in changes]
    return tuple(sorted(found, key=lambda c: (-abs(c.after - c.before), c.name)))


class _Tree:
    """Rows by name, and the children of each; what is not below ``top`` is no child of anything."""

    def __init__(self, rows: Iterable[Row], top: str) -> None:
        self.rows = {row.name: row for row in rows}
        self.children: dict[str, list[str]] = {top: []}
        for name in self.rows:
            if name and name != top:
                self.children.setdefault(name.rpartition(".")[0], []).append(name)

    def missing_from(self, other: _Tree) -> list[str]:
        """The topmost modules that are here and, though their siblings are listed there, not in ``other``."""
        return [
            child
            for parent, children in self.children.items()
            if parent in other.children
            for child in children
            if child not in other.rows
        ]

    def below(self, name: str) -> Iterator[str]:
        """Every module inside another."""
        for child in self.children.get(name, ()):
            yield child
            yield from self.below(child)

    def own(self, name: str, metric: str) -> int:
        """What a module costs without its children."""
        return _value(self, name, metric) - sum(_value(self, child, metric) for child in self.children.get(name, ()))

    def without(self, names: Iterable[str], moved: Iterable[str], metric: str) -> dict[str, int]:
        """What is left of modules, and its metric, without those that only moved: their other parts."""
        moved, left = set(moved), {}
        for name in names:
            if name in moved:
                continue
            if moved.isdisjoint(self.below(name)):
                left[name] = _value(self, name, metric)
                continue
            if any(self.own(name, of) > 0 for of in _ROW_METRICS):
                left[name] = self.own(name, metric)
            left |= self.without((c for c in self.children[name] if _costs(self.rows[c])), moved, metric)
        return left


def _value(tree: _Tree, name: str, metric: str) -> int:
    return int(getattr(tree.rows[name], metric))


def _costs(row: Row) -> bool:
    return any(getattr(row, metric) for metric in _ROW_METRICS)


def _changed(old: _Tree, new: _Tree, metric: str) -> list[ModuleChange]:
    """The modules that are in both, and changed themselves.

    One whose children are compared did so by its class, its configuration, or what it costs without them. Modules
    that cost nothing are told of where they may be why others cost more: a pooling that no longer halves the image.
    """
    found, affected = [], False
    for name, was in old.rows.items():
        if name not in new.rows:
            continue
        row = new.rows[name]
        if (was.kind, was.config) == (row.kind, row.config):
            if name in old.children and name in new.children:
                same = old.own(name, metric) == new.own(name, metric)
            else:
                same = (getattr(was, metric), was.params) == (getattr(row, metric), row.params)
            if same:
                continue
            affected = True
        found.append(_change("changed", row, metric, _value(old, name, metric), _value(new, name, metric), was))
    return [c for c in found if affected or _costs(old.rows[c.name]) or _costs(new.rows[c.name])]


def _renames(old: _Tree, new: _Tree, removed: list[str], added: list[str]) -> dict[str, str]:
    """Removed and added modules that are one and the same but for the name, old name to new.

    One that was put into a new module, or taken out of one that is gone, is the same, too.
    """
    pairs: dict[str, str] = {}
    _pair(old, new, removed, added, pairs)
    _pair(old, new, removed, [inside for name in added for inside in new.below(name)], pairs)
    _pair(old, new, [inside for name in removed for inside in old.below(name)], added, pairs)
    return pairs


def _pair(old: _Tree, new: _Tree, before: Iterable[str], after: Iterable[str], pairs: dict[str, str]) -> None:
    """Add the pairs of equal modules, those of the same last name first, to those already found."""
    gone, come = _Taken(pairs), _Taken(pairs.values())
    candidates: dict[tuple[object, ...], list[str]] = {}
    for name in after:
        if not come.touches(name) and _costs(new.rows[name]):
            candidates.setdefault(_identity(new.rows[name]), []).append(name)
    for was in before:
        if gone.touches(was):
            continue
        same = [name for name in candidates.get(_identity(old.rows[was]), ()) if not come.touches(name)]
        if same:
            now = min(same, key=lambda name: _last(name) != _last(was))
            pairs[was] = now
            gone.add(was)
            come.add(now)


class _Taken:
    """Names that are spoken for, with everything inside them and around them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names: set[str] = set()
        self._around: set[str] = set()
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        """Speak for a module."""
        self._names.add(name)
        self._around.update(_path(name))

    def touches(self, name: str) -> bool:
        """Whether a module, something around it or something in it is spoken for."""
        return name in self._around or not self._names.isdisjoint(_path(name))


def _path(name: str) -> Iterator[str]:
    """``a.b.c``, ``a.b``, ``a``."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _identity(row: Row) -> tuple[object, ...]:
    return (row.kind, row.config, *(getattr(row, metric) for metric in _ROW_METRICS))


def _change(status: str, row: Row, metric: str, before: int, after: int, was: Row | None = None) -> ModuleChange:
    return ModuleChange(
        status=status,
        name=row.name,
        kind=row.kind,
        config=row.config,
        before=before,
        after=after,
        was_name=was.name if was is not None else "",
        was_kind=was.kind if was is not None else "",
        was_config=was.config if was is not None else "",
    )
