"""Two trees of modules side by side: which module of the one is which of the other.

Modules of one name are the same. What is numbered, as in a ``Sequential``, is aligned as sequences are: by class and
configuration, so that an insertion is one, and not a change of all that comes after it. What is left on both sides of
a parent was renamed if it is alike; what is left elsewhere was moved if it is equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from ..values.metrics import metric_names
from ..values.rows import ModuleRow, ranges

Key: TypeAlias = tuple[object, ...]
ALIKE = 0.4
"""How alike modules of other names have to be to be taken for one another; equal ones are 1."""

MOST = 2000
"""Children of one parent that are aligned; of more than that, those of other names are other modules."""


class Node:
    """A row with what is below it. Nodes of equal keys are of equal modules, whatever their names and costs."""

    def __init__(self, row: ModuleRow, parent: Node | None, order: int) -> None:
        self.row, self.parent, self.order = row, parent, order
        self.children: list[Node] = []
        self.label = row.name.rpartition(".")[2]
        self.count = Fraction(row.times, parent.row.times if parent is not None else 1)
        self._key: Key | None = None
        self._kinds: list[str] | None = None
        self._keys: set[tuple[Key, int]] | None = None

    @property
    def is_numbered(self) -> bool:
        """Whether the name says a place among siblings, and nothing else."""
        return re.fullmatch(r"[\d,-]+|.*\*", self.label) is not None

    @property
    def key(self) -> Key:
        """What the modules are, for each of them, with everything below."""
        if self._key is None:
            row, below = self.row, tuple((c.label, c.count, c.key) for c in self.children)
            self._key = (row.kind, row.config, row.shares, *per_module(row), below)
        return self._key

    @property
    def kinds(self) -> list[str]:
        """The classes of everything in it, in order."""
        if self._kinds is None:
            self._kinds = [kind for child in self.children for kind in (child.row.kind, *child.kinds)]
        return self._kinds

    @property
    def keys_below(self) -> set[tuple[Key, int]]:
        """The keys of everything inside that costs something, and how often it is there."""
        if self._keys is None:
            self._keys = {(node.key, node.row.times) for node in self.below() if node.costs}
        return self._keys

    def below(self) -> Iterator[Node]:
        """Everything inside."""
        for child in self.children:
            yield child
            yield from child.below()

    def total(self, metric: str) -> int:
        """What it costs with everything below."""
        return self.row.value(metric) + sum(child.total(metric) for child in self.children)

    @property
    def costs(self) -> bool:
        """Whether there is anything in it to speak of."""
        return any(node.row.value(m) for node in (self, *self.below()) for m in metric_names(in_rows=True))


def per_module(row: ModuleRow) -> Key:
    """What is the same for each of the modules that a row stands for: parameters, calls, operators."""
    numbers = (row.calls, row.recomputed, *(getattr(row, m) for m in metric_names(in_rows=True, built=True)))
    each = tuple(Fraction(number, row.times) for number in numbers)
    return (*each, tuple((name, Fraction(n, row.times)) for name, n in row.operators.items()))


def tree(rows: Iterable[ModuleRow], top: str = "") -> Node | None:
    """The tree of rows, the first of which is ``top``."""
    nodes: dict[str, Node] = {}
    for order, row in enumerate(rows):
        parent = nodes.get(row.name.rpartition(".")[0]) if row.name != top and nodes else None
        node = nodes[row.name] = Node(row, parent, order)
        if parent is not None:
            parent.children.append(node)
    return nodes.get(top)


_Span = tuple[Fraction, Fraction]
"""From where to where, of 0 to 1, some of the modules lie that a node stands for."""


class Part(NamedTuple):
    """Modules that a node stands for: all of them, or, of siblings that repeat, some ``spans``, which have a name.

    What modules that repeat cost is divided evenly, and rounded so that spans add up to the whole.
    """

    node: Node
    spans: tuple[_Span, ...] = ((Fraction(0), Fraction(1)),)
    named: str = ""

    @property
    def share(self) -> Fraction:
        """How much of the node they are."""
        return sum((end - begin for begin, end in self.spans), Fraction(0))

    def _of(self, whole: int) -> int:
        return sum(int(whole * end) - int(whole * begin) for begin, end in self.spans)

    @property
    def name(self) -> str:
        """The name of the row, or of the part of it that this is."""
        return self.named or self.node.row.name

    @property
    def times(self) -> int:
        """How many modules they are."""
        return self._of(self.node.row.times)

    def own(self, metric: str) -> int:
        """What they cost themselves."""
        return self._of(self.node.row.value(metric))

    def total(self, metric: str) -> int:
        """What they cost with everything below."""
        return self._of(self.node.total(metric))

    def inside(self) -> list[Part]:
        """The children."""
        names = (f"{self.named}.{child.label}" if self.named else "" for child in self.node.children)
        return [Part(child, self.spans, name) for child, name in zip(self.node.children, names, strict=True)]


@dataclass(frozen=True)
class Pair:
    """The same modules before and now; ``whole`` if what is inside was replaced as a whole."""

    old: Part
    new: Part
    whole: bool = False
    inside: tuple[Pair, ...] = ()


@dataclass
class Alignment:
    """Every module of two trees: in a pair, or ``removed``, or ``added``; ``moved`` ones have another parent now."""

    top: Pair
    removed: list[Part] = field(default_factory=list)
    added: list[Part] = field(default_factory=list)
    moved: list[Pair] = field(default_factory=list)


def align(old: Node, new: Node) -> Alignment:
    """Say which module of two trees is which."""
    removed: list[Part] = []
    added: list[Part] = []
    found = Alignment(_pair(Part(old), Part(new), removed, added, top=True), removed, added)
    _find_moved(found)
    return found


def _pair(old: Part, new: Part, removed: list[Part], added: list[Part], *, top: bool = False) -> Pair:
    was, now = old.node, new.node
    replaced = was.row.kind != now.row.kind and (was.children or now.children) and _ratio(was, now) < 0.5
    if replaced and not top:
        return Pair(old, new, whole=True)
    pairs = [_pair(*both, removed, added) for both in _matches(old.inside(), new.inside(), removed, added)]
    return Pair(old, new, inside=tuple(pairs))


def _matches(
    old: Sequence[Part], new: Sequence[Part], removed: list[Part], added: list[Part]
) -> list[tuple[Part, Part]]:
    """The pairs among the children of one parent, in the new order. What has none is removed or added."""
    named = {part.node.label: part for part in old if not part.node.is_numbered}
    pairs = [(named[part.node.label], part) for part in new if part.node.label in named]
    taken = {id(part.node) for pair in pairs for part in pair}
    before, after = ([part for part in parts if id(part.node) not in taken] for parts in (old, new))
    members = [_members(parts) for parts in (before, after)]
    few = max(map(len, members)) <= MOST
    places = _aligned([m.node for m in members[0]], [m.node for m in members[1]]) if few else []
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for i, j in places:
        was, now = members[0][i], members[1][j]
        found.setdefault((was.part, now.part), []).append((was.number, now.number))
    for (i, j), numbers in found.items():
        pairs.append((_some(before[i], [was for was, _ in numbers]), _some(after[j], [now for _, now in numbers])))
    for parts, side, missing in ((before, 0, removed), (after, 1, added)):
        paired = {place[side] for place in places}
        left: dict[int, list[int]] = {}
        for place, member in enumerate(members[side]):
            if place not in paired:
                left.setdefault(member.part, []).append(member.number)
        missing += [_some(parts[i], numbers) for i, numbers in left.items() if parts[i].node.costs]
    return sorted(pairs, key=lambda pair: pair[1].node.order)


def _some(part: Part, numbers: Sequence[int]) -> Part:
    """The part of siblings that repeat with these numbers."""
    count = int(part.node.count)
    if len(numbers) == count:
        return part
    match = _NUMBERS.fullmatch(part.node.label)
    parent = part.name.rpartition(".")[0]
    last = (match[1] if match else "") + ranges(numbers)
    members = [*_numbers(match[2], count)] if match else [0]
    spans: list[_Span] = []
    for begin, end in part.spans:
        each = (end - begin) / count
        for place in sorted(members.index(number) for number in numbers):
            first = begin + each * place
            if spans and spans[-1][1] == first:
                spans[-1] = (spans[-1][0], first + each)
            else:
                spans.append((first, first + each))
    return Part(part.node, tuple(spans), f"{parent}.{last}" if parent else last)


class _Member(NamedTuple):
    """A single child: the place of the part that it belongs to, and its number."""

    part: int
    node: Node
    number: int


def _members(parts: Sequence[Part]) -> list[_Member]:
    """Each single child, in the order of their numbers. There are no more than a few more than `MOST`."""
    first: dict[str, int] = {}
    found = []
    for i, part in enumerate(parts):
        label = part.node.label
        match = _NUMBERS.fullmatch(label)
        prefix = match[1] if match else label
        first.setdefault(prefix, i)
        for number in _numbers(match[2], int(part.node.count)) if match else [0]:
            found.append((first[prefix], number, i, part.node))
            if len(found) > MOST:
                break
    return [_Member(i, node, number) for _, number, i, node in sorted(found, key=lambda item: item[:3])]


_NUMBERS = re.compile(r"(.*?)(\*|\d+(?:[,-]\d+)*)")


def _numbers(text: str, count: int) -> Iterator[int]:
    """``0-2,5`` is 0, 1, 2, 5; ``*`` is as many as there are, as is what says another number of them."""
    ends = [part.split("-") for part in text.split(",")] if text != "*" else []
    if sum(int(end[-1]) - int(end[0]) + 1 for end in ends) != count:
        yield from range(count)
        return
    for end in ends:
        yield from range(int(end[0]), int(end[-1]) + 1)


def _aligned(old: Sequence[Node], new: Sequence[Node]) -> list[tuple[int, int]]:
    """The places in two sequences whose pairs are the most alike, by Needleman and Wunsch; gaps cost nothing."""
    known: dict[tuple[int, int], float] = {}
    alike = [[0.0] * len(new) for _ in old]
    for i, was in enumerate(old):
        for j, now in enumerate(new):
            if (id(was), id(now)) not in known:
                known[id(was), id(now)] = _alike(was, now)
            alike[i][j] = known[id(was), id(now)]
    best = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in range(len(old) - 1, -1, -1):
        for j in range(len(new) - 1, -1, -1):
            paired = best[i + 1][j + 1] + alike[i][j] if alike[i][j] else 0.0
            best[i][j] = max(best[i + 1][j], best[i][j + 1], paired)
    pairs, i, j = [], 0, 0
    while i < len(old) and j < len(new):
        if alike[i][j] and best[i][j] == best[i + 1][j + 1] + alike[i][j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _alike(old: Node, new: Node) -> float:
    """How alike two siblings are, from 0, which is not at all, to 1; a bit more where their names are the same."""
    same = 0.05 if old.label == new.label else 0.0
    if old.key == new.key:
        return 1.0 + same
    if (old.key, old.row.times) in new.keys_below or (new.key, new.row.times) in old.keys_below:
        return 0.0  # put into another module, or taken out of it
    if old.children and new.children:
        inside = 0.4 * _ratio(old, new)
        found = (0.5 if old.row.kind == new.row.kind else 0.3 if _family(old) == _family(new) else 0.2) + inside
        found = found if inside >= 0.2 or old.row.kind == new.row.kind else 0.0
    elif old.row.kind == new.row.kind:
        found = 0.5 + 0.4 * _ratio_of(_arguments(old), _arguments(new))
    else:
        found = ALIKE if _family(old) == _family(new) else 0.0
    return found + same if found >= ALIKE else 0.2 if same and old.is_numbered else 0.0


def _ratio(old: Node, new: Node) -> float:
    """How much of what is inside two modules is of the same classes in the same order."""
    return _ratio_of(old.kinds, new.kinds) if old.children and new.children else 0.0


def _ratio_of(old: Sequence[str], new: Sequence[str]) -> float:
    return 1.0 if old == new else SequenceMatcher(None, old, new, autojunk=False).ratio()


def _arguments(node: Node) -> list[str]:
    return node.row.config.split(", ")


def _family(node: Node) -> str:
    """The last word of a class: ``Norm`` of ``BatchNorm2d``, ``Attention`` of ``CausalSelfAttention``."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]+|[a-z]+", re.sub(r"\d+d?$", "", node.row.kind))
    return words[-1].lower() if words else node.row.kind


def _find_moved(found: Alignment) -> None:
    """Find what was removed in one place and added in another: put into a new module, or taken out of one."""
    taken: set[int] = set()
    removed = [part.node for part in found.removed if part.share == 1]
    added = [part.node for part in found.added if part.share == 1]
    for before, after in (
        (removed, added),
        (removed, [node for one in added for node in one.below()]),
        ([node for one in removed for node in one.below()], added),
    ):
        candidates: dict[tuple[Key, int], list[Node]] = {}
        for node in after:
            if node.costs:
                candidates.setdefault((node.key, node.row.times), []).append(node)
        for was in before:
            same = [now for now in candidates.get((was.key, was.row.times), ()) if not touches(now, taken)]
            if same and not touches(was, taken):
                now = min(same, key=lambda node: node.label != was.label)
                found.moved.append(Pair(Part(was), Part(now)))
                taken |= {id(was), id(now)}


def touches(node: Node, taken: set[int]) -> bool:
    """Whether a module, something around it or something in it is among those whose ``id`` is ``taken``."""
    around: Node | None = node
    while around is not None:
        if id(around) in taken:
            return True
        around = around.parent
    return any(id(inside) in taken for inside in node.below())
