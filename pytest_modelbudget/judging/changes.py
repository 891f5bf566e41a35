"""Which modules changed between two lists of them: added, removed, changed, renamed, the largest difference first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from ..values.entry import Entry
from ..values.growth import ModuleChange
from ..values.metrics import metric_names


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


def same_build(old: Entry, new: Entry) -> bool:
    """Whether both are of the same modules, as far as both list them, given the same inputs."""
    was, now = _Tree(old.modules, old.module), _Tree(new.modules, new.module)
    if old.inputs != new.inputs or was.missing_from(now) or now.missing_from(was):
        return False
    return all(_build(was.rows[name]) == _build(now.rows[name]) for name in was.rows if name in now.rows)


def _build(row: Row) -> tuple[object, ...]:
    return row.kind, row.config, row.params


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
            if any(self.own(name, of) > 0 for of in metric_names(in_rows=True)):
                left[name] = self.own(name, metric)
            left |= self.without((c for c in self.children[name] if _costs(self.rows[c])), moved, metric)
        return left


def _value(tree: _Tree, name: str, metric: str) -> int:
    return int(getattr(tree.rows[name], metric))


def _costs(row: Row) -> bool:
    return any(getattr(row, metric) for metric in metric_names(in_rows=True))


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
    return (row.kind, row.config, *(getattr(row, metric) for metric in metric_names(in_rows=True)))


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
