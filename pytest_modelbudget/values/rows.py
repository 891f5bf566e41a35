"""Rows of modules: what each costs itself, with blocks that repeat written once. What a baseline keeps of a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

from .cost import ModuleCost
from .frozen import freeze
from .metrics import metric_names


@dataclass(frozen=True)
class ModuleRow:
    """A module without what is below it, or ``times`` equal ones that repeat, all together.

    In ``name`` a ``*`` stands for all siblings that are numbered, ``0-5,7`` for some of them: ``layers.*.norm``.
    ``kind``, ``config``, ``calls``, ``recomputed``, ``inputs`` and ``operators`` are as in `ModuleCost`. ``shares`` is
    the module that holds the same parameters, which are counted there: its name as seen from the innermost module that
    holds both. Metrics are the module's own; ``memory`` is what it made that is alive at the model's peak.
    """

    name: str
    kind: str
    config: str = ""
    times: int = 1
    calls: int = 0
    recomputed: int = 0
    inputs: int = 0
    shares: str = ""
    operators: Mapping[str, int] = field(default_factory=dict)
    flops: int = 0
    params: int = 0
    trainable_params: int = 0
    activations: int = 0
    weights: int = 0
    memory: int = 0
    communication: int = 0

    def __post_init__(self) -> None:
        """Nothing in a row changes."""
        freeze(self, "operators")

    def value(self, metric: str) -> int:
        """A metric as modules are compared by it: what a module keeps in memory is what it made, and its weights."""
        return self.memory + self.weights if metric == "memory" else int(getattr(self, metric))

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {**vars(self), "operators": dict(self.operators)}


def varying(kind: type[ModuleCost] | type[ModuleRow]) -> tuple[str, ...]:
    """The fields of a row that differ from one operating point to another."""
    known = {field.name for field in fields(kind)}
    return ("inputs", *(name for name in metric_names(built=False) if name in known))


DEEPEST = 200
"""Modules within modules that files may have."""

NUMBERED = re.compile(r"(.*?)(0|[1-9][0-9]{0,8})")
"""A name that is a number or ends with one: all before it, and the number."""


def rows_of(modules: Mapping[str, ModuleCost], top: str = "") -> tuple[ModuleRow, ...]:
    """The rows of a model's modules from ``top`` down, parents before children.

    Siblings repeat if their names end in numbers and everything in them is equal: class, configuration, parameters,
    calls, and their own operators. What they cost is summed up.
    """
    if top not in modules:
        return ()
    children: dict[str, list[str]] = {name: [] for name in modules}
    for name in modules:
        if name and name.rpartition(".")[0] in children:
            children[name.rpartition(".")[0]].append(name)
    own = {name: _own(name, modules, children) for name in modules}
    for name, row in modules.items():  # what is shared is counted in the module that had it first
        if row.shares:
            holder = own.get(common_parent(name, row.shares), {})
            for metric in own[name].keys() & row.shared.keys() & holder.keys():
                own[name][metric] -= row.shared[metric]
                holder[metric] += row.shared[metric]
    for sums in own.values():  # a counter that counts a shared module under each name may give children too much
        sums |= {name: max(0, value) for name, value in sums.items()}
    signatures: dict[tuple[object, ...], int] = {}
    return tuple(_rows(_node(top, modules, children, own, signatures), top))


def _own(name: str, modules: Mapping[str, ModuleCost], children: Mapping[str, Sequence[str]]) -> dict[str, int]:
    row, below = modules[name], [modules[child] for child in children[name]]
    metrics = {m: int(getattr(row, m)) - sum(int(getattr(b, m)) for b in below) for m in metric_names(in_rows=True)}
    return {"times": 1, "calls": row.calls, "recomputed": row.recomputed, "inputs": row.inputs, **metrics}


def common_parent(one: str, other: str) -> str:
    """The innermost module that holds both names: one of them, if the other is below it."""
    parts = []
    for a, b in zip(one.split("."), other.split("."), strict=False):
        if a != b:
            break
        parts.append(a)
    return ".".join(parts)


@dataclass
class _Node:
    """A module, or several that repeat: last names, numbers, and what is inside. Equal signatures are equal modules."""

    names: list[str]
    row: ModuleCost
    shares: str
    sums: dict[str, int]
    operators: dict[str, int]
    children: list[_Node]
    signature: int = 0
    label: str = ""

    def add(self, other: _Node) -> None:
        """Add a module that repeats this one."""
        self.names += other.names
        for name, value in other.sums.items():
            self.sums[name] += value
        for name, value in other.operators.items():
            self.operators[name] += value
        for mine, its in zip(self.children, other.children, strict=True):
            names = mine.names
            mine.add(its)
            mine.names = names


def _node(
    name: str,
    modules: Mapping[str, ModuleCost],
    children: Mapping[str, Sequence[str]],
    own: Mapping[str, dict[str, int]],
    signatures: dict[tuple[object, ...], int],
) -> _Node:
    row = modules[name]
    inside = [_node(child, modules, children, own, signatures) for child in children[name]]
    shares = row.shares[len(common_parent(name, row.shares)) :].lstrip(".") if row.shares else ""
    node = _Node([name.rpartition(".")[2]], row, shares, dict(own[name]), dict(row.operators), _repeated(inside))
    built = tuple(node.sums[m] for m in ("calls", "recomputed", *metric_names(in_rows=True, built=True)))
    key = (
        row.kind, row.config, shares, built, tuple(row.operators.items()),
        tuple((child.label, child.signature) for child in node.children),
    )  # fmt: skip
    node.signature = signatures.setdefault(key, len(signatures))
    return node


def _repeated(nodes: list[_Node]) -> list[_Node]:
    """Siblings with those that repeat as one, each with its label: the name, ``*``, or ``0-5,7``."""
    numbered: dict[str, int] = {}
    groups: list[list[_Node]] = []
    open_groups: dict[tuple[str, int], list[_Node]] = {}
    for node in nodes:
        match = NUMBERED.fullmatch(node.names[0])
        if match is None:
            groups.append([node])
            continue
        prefix = match[1]
        numbered[prefix] = numbered.get(prefix, 0) + 1
        group = open_groups.get((prefix, node.signature))
        if group is not None and (node.children or (group is groups[-1] and not prefix)):
            group.append(node)
        else:
            group = open_groups[prefix, node.signature] = [node]
            groups.append(group)
    groups = [
        part for group in groups for part in (_alone(group) if len(group) == 2 and _prefix(group[0]) else [group])
    ]
    labels = [_label([node.names[0] for node in group], numbered) for group in groups]
    if len(set(labels)) < len(labels):  # somebody named a module as groups are named
        groups, labels = _alone(nodes), [node.names[0] for node in nodes]
    for (first, *others), label in zip(groups, labels, strict=True):
        first.label = label
        for other in others:
            first.add(other)
    return [group[0] for group in groups]


def _alone(nodes: list[_Node]) -> list[list[_Node]]:
    return [[node] for node in nodes]


def _label(names: Sequence[str], numbered: Mapping[str, int]) -> str:
    if len(names) == 1:
        return names[0]
    prefix = NUMBERED.fullmatch(names[0])[1]  # type: ignore[index]
    if numbered[prefix] == len(names):
        return f"{prefix}*"
    return prefix + ranges(int(name[len(prefix) :]) for name in names)


def ranges(numbers: Iterable[int]) -> str:
    """``0-5,7`` of 0, 1, 2, 3, 4, 5 and 7."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


def _prefix(node: _Node) -> str:
    match = NUMBERED.fullmatch(node.names[0])
    return match[1] if match else ""


def _rows(node: _Node, name: str) -> Iterator[ModuleRow]:
    operators = {operator: node.operators[operator] for operator in sorted(node.operators)}
    yield ModuleRow(name, node.row.kind, node.row.config, shares=node.shares, operators=operators, **node.sums)
    for child in node.children:
        yield from _rows(child, f"{name}.{child.label}" if name else child.label)


def with_below(own: Mapping[str, int]) -> dict[str, int]:
    """What modules cost with everything below them, from what each costs itself; the first of them is the top."""
    sums = dict(own)
    for name in [*own][:0:-1]:  # children come after their parents
        sums[name.rpartition(".")[0]] += sums[name]
    return sums


def first_member(name: str, modules: Mapping[str, object]) -> str:
    """The first of the modules that the name of a row stands for; an empty text where there is none."""
    found = ""
    for segment in name.split(".") if name else ():
        here = f"{found}." if found else ""
        if here + segment not in modules:
            segment = _first(segment, here, modules)
        found = here + segment
        if found not in modules:
            return ""
    return found


def _first(segment: str, here: str, modules: Mapping[str, object]) -> str:
    prefix, star, _ = segment.partition("*")
    if star:
        inside = (name[len(here) :] for name in modules if name.startswith(here + prefix))
        numbers = [int(name[len(prefix) :]) for name in inside if name[len(prefix) :].isdecimal()]
        return f"{prefix}{min(numbers)}" if numbers else segment
    return re.split(r"[,-](?=\d)", segment, maxsplit=1)[0]
