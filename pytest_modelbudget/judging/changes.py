"""Which modules changed themselves between two trees of them, and what merely follows from that.

A module's own change is one of its class, its configuration, its parameters, how it is called, or what its own forward
calls. What is given more than before because of another's change costs more, and follows from that one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from ..values.entry import Entry
from ..values.growth import Followed, ModuleChange
from ..values.metrics import find_metric, metric_names
from ..values.rows import ModuleRow
from .alignment import Alignment, Pair, Part, align, touches, tree
from .causes import Flow, Sought, forward_calls, own_changes, passes_more, sought_of

Source = Callable[[str, Sought], str]
"""The place in the code of what is sought of a module of the new tree."""


_Rank: TypeAlias = tuple[float, bool, int]
"""What changes are ordered by: what they add, whether they are minor, the place in the model."""


class Changes(NamedTuple):
    """The modules that changed, those whose own change adds the most first, and what follows from them."""

    modules: tuple[ModuleChange, ...] = ()
    follows: Followed | None = None


def module_changes(
    old_rows: Iterable[ModuleRow],
    new_rows: Iterable[ModuleRow],
    metric: str,
    *,
    top: str = "",
    source: Source = lambda name, sought: "",
    versions_differ: bool = False,
) -> Changes:
    """The modules that changed themselves between two lists of rows, ranked by what that adds to ``metric``.

    ``source`` gives places in the code. With ``versions_differ``, operators that cost nothing are not compared: another
    version of PyTorch may call others.
    """
    old, new = tree(old_rows, top), tree(new_rows, top)
    if old is None or new is None:
        return Changes()
    aligned = align(old, new)
    found = _Found(metric, versions_differ, source)
    found.walk(aligned.top, None)
    found.rest(aligned)
    return found.result(old.total(metric), new.total(metric))


def same_build(old: Entry, new: Entry) -> bool:
    """Whether both are of the same modules, given the same inputs; operators and calls are the counting's to say."""
    was, now = ([_build(row) for row in entry.modules] for entry in (old, new))
    return old.inputs == new.inputs and was == now


def _build(row: ModuleRow) -> tuple[object, ...]:
    return row.name, row.kind, row.config, row.times, row.params


class _Found:
    """The changes as they are found, each with what it is ranked by."""

    def __init__(self, metric: str, versions_differ: bool, source: Source) -> None:
        self.metric, self._versions_differ, self._source = metric, versions_differ, source
        self._built = find_metric(metric).built
        self._changes: list[tuple[_Rank, ModuleChange]] = []
        self._followers = self._followed = 0

    # -- modules that are in both ----------------------------------------------------------------------------------

    def walk(self, pair: Pair, above: Flow | None, *, told: bool = False) -> bool:
        """Look at a pair and what is inside. Returns whether anything in it changed itself.

        With ``told``, a change of its own is part of that of the module around it.
        """
        old, new = pair.old.node, pair.new.node
        flow = Flow.of(pair, above)
        words = own_changes(flow, free_operators=not self._versions_differ)
        renamed = above is not None and old.label != new.label and not (old.is_numbered and new.is_numbered)
        changed = bool(words) or (old.row.kind, old.row.config) != (new.row.kind, new.row.config)
        if renamed and not told:
            self._add_renamed(pair, flow, words)
            return True
        if not changed and self._costs_more(pair, flow):
            words, changed = ("its own calls cost otherwise, given as much",), True
        if changed and not told:
            self._add(self._change("changed", pair, flow, words), new.order, words == _PARAMETERS_ONLY)
        elif not changed and not pair.whole and self._own(pair.old, pair) != self._own(pair.new, pair):
            self._followers += pair.new.times
            self._followed += self._own(pair.old, pair)
        before, affected = len(self._changes), changed
        for child in pair.inside:
            affected = self._meets(child, pair, flow, affected, told) or affected
            affected = self.walk(child, flow, told=told) or affected
        return affected or len(self._changes) > before

    def _meets(self, child: Pair, pair: Pair, flow: Flow, affected: bool, told: bool) -> bool:
        """Whether the module itself is why a child is given more than before: nothing before it in it changed."""
        if affected or told or not passes_more(flow, Flow.of(child, flow)):
            return False
        words = (f"gives {child.new.node.label} inputs of another size",)
        self._add(self._change("changed", pair, flow, words), pair.new.node.order, False)
        return True

    def _costs_more(self, pair: Pair, flow: Flow) -> bool:
        """Whether the same module, given as much, costs something else: its code calls other functions."""
        if self.metric == "memory" or self._built or pair.whole or not flow.known or flow.inputs != 1:
            return False
        was, now = (
            Fraction(part.own(self.metric)) / (forward_calls(part) * part.times) for part in (pair.old, pair.new)
        )
        return was != now

    def _own(self, part: Part, pair: Pair) -> int:
        """What a part of a pair costs; of the old one, as many as there are now."""
        value = part.total(self.metric) if pair.whole else part.own(self.metric)
        return value * pair.new.times // part.times if part is pair.old and part.times else value

    def _weights(self, pair: Pair) -> int:
        """The bytes of the weights among what a module kept, which its inputs do not change."""
        weights = pair.old.total("weights") if pair.whole else pair.old.own("weights")
        return weights * pair.new.times // pair.old.times if pair.old.times else weights

    def _change(self, status: str, pair: Pair, flow: Flow, words: tuple[str, ...]) -> ModuleChange:
        before, after = self._own(pair.old, pair), self._own(pair.new, pair)
        stays = before if self._built else self._weights(pair) if self.metric == "memory" else 0
        expected = stays + int((before - stays) * flow.inputs)
        row, was = pair.new.node.row, pair.old.node.row
        return ModuleChange(
            status, pair.new.name, row.kind, row.config, before, after, pair.old.name, was.kind, was.config,
            source=self._source(pair.new.name, sought_of(flow, words)),
            times=pair.new.times, own=abs(after - expected), what=words,
        )  # fmt: skip

    def _add_renamed(self, pair: Pair, flow: Flow, words: tuple[str, ...]) -> None:
        """A module of another name, and with it what changed in it: one row."""
        inside = _Found(self.metric, self._versions_differ, self._source)
        for child in pair.inside:
            inside.walk(child, flow)
        whole = replace(pair, whole=True)
        change = self._change("renamed", whole, flow, words)
        parts = tuple(part for _, part in sorted(inside._changes, key=lambda item: item[0]))
        own = sum(part.own for part in parts) + self._change("renamed", replace(pair, inside=()), flow, words).own
        own = own if parts or words or pair.old.node.row.config != pair.new.node.row.config else 0
        self._add(replace(change, inside=parts, own=own), pair.new.node.order, False)

    # -- modules that are in one -----------------------------------------------------------------------------------

    def rest(self, aligned: Alignment) -> None:
        """Add what was moved, and what is new or gone of the others."""
        for pair in aligned.moved:
            self._add(self._change("renamed", replace(pair, whole=True), Flow.of(pair, None), ()), pair.new.node.order)
        moved_from = {id(pair.old.node) for pair in aligned.moved}
        moved_to = {id(pair.new.node) for pair in aligned.moved}
        for status, parts, moved in (("added", aligned.added, moved_to), ("removed", aligned.removed, moved_from)):
            for part, value in self._without(parts, moved):
                self._add(self._one_sided(status, part, value), part.node.order)

    def _without(self, parts: Iterable[Part], moved: set[int]) -> Iterator[tuple[Part, int]]:
        """What is left of modules, and what it costs, without those that only moved: their other parts."""
        for part in parts:
            if id(part.node) in moved:
                continue
            if not touches(part.node, moved):
                yield part, part.total(self.metric)
                continue
            if any(part.own(metric) > 0 for metric in metric_names(in_rows=True)):
                yield part, part.own(self.metric)
            yield from self._without((child for child in part.inside() if child.node.costs), moved)

    def _one_sided(self, status: str, part: Part, value: int) -> ModuleChange:
        row = part.node.row
        if status == "added":
            source = self._source(part.name, Sought())
            return ModuleChange(
                "added", part.name, row.kind, row.config, 0, value, source=source, times=part.times, own=value
            )
        was = (part.name, row.kind, row.config)
        above = part.node.parent.row.name if part.node.parent is not None else ""
        return ModuleChange(
            "removed", *was, value, 0, *was, source=self._source(above, Sought()), times=part.times, own=value
        )

    # -- all of them -----------------------------------------------------------------------------------------------

    def _add(self, change: ModuleChange, order: int, minor: bool = False) -> None:
        self._changes.append(((-abs(change.own), minor, order), change))

    def result(self, before: int, after: int) -> Changes:
        """The changes in their order. What they do not add up to follows from them."""
        affects = self._followers > 0 or self.metric == "memory"
        found = [c for _, c in _merged(self._changes) if affects or _costs(c)]
        rest = after - before - sum(c.after - c.before for c in found)
        least = max(0, -rest - self._followed)  # parts that cannot be told apart may make up for one another
        was = self._followed + least
        follows = Followed(self._followers, was, was + rest) if self._followers and rest else None
        return Changes(tuple(found), follows)


def _merged(changes: Sequence[tuple[_Rank, ModuleChange]]) -> list[tuple[_Rank, ModuleChange]]:
    """The changes in their order, with those as one that are the same change of the same line."""
    groups: dict[tuple[object, ...], list[tuple[_Rank, ModuleChange]]] = {}
    for number, item in enumerate(changes):
        change = item[1]
        groups.setdefault(_same_line(change) if change.source else (number,), []).append(item)
    return sorted((_as_one(group) for group in groups.values()), key=lambda item: item[0])


def _same_line(change: ModuleChange) -> tuple[object, ...]:
    was, now = (set(enumerate(config.split(", "))) for config in (change.was_config, change.config))
    names = frozenset(text.partition("=")[0] if "=" in text else str(place) for place, text in was ^ now)
    inside = tuple(_same_line(part) for part in change.inside)
    return change.status, change.source, change.was_kind, change.kind, names, change.what, inside


def _as_one(group: Sequence[tuple[_Rank, ModuleChange]]) -> tuple[_Rank, ModuleChange]:
    """The change that adds the most, with the sums of all."""
    (rank, first), *others = sorted(group, key=lambda item: item[0])
    if not others:
        return rank, first
    sums = {name: sum(getattr(c, name) for _, c in group) for name in ("before", "after", "own", "times")}
    one = replace(first, alike=tuple(change.name for _, change in others), **sums)
    return (-abs(one.own), *rank[1:]), one


def _costs(change: ModuleChange) -> bool:
    return bool(change.before or change.after or change.what or change.inside)


_PARAMETERS_ONLY = ("own parameters",)
