"""Where a module stands in the source: the line that makes it, as people look for it."""

from __future__ import annotations

import sys
from pathlib import Path

from ..values.cost import Cost
from ..values.rows import first_member
from .elements import assigned, called, code_of, used

_CONTAINERS = "torch.nn."


def locate(
    cost: Cost, name: str, root: str = "", *, operator: str = "", again: bool = False, call: bool = False
) -> str:
    """``file:line`` of what makes a module: its own line in a container of several lines; or an empty text.

    ``name`` may be that of a row, which stands for several modules. With ``operator``, it is where the module's own
    code calls that, first or, with ``again``, last; with ``call``, where the module is called, if that is found. Paths
    inside ``root`` are relative to it, paths of installed packages start at the package.
    """
    asked, name = name, first_member(name, cost.modules)
    if asked and not name:
        return ""
    if operator:
        seen = cost.lines.get((name, operator))
        place = (seen[0], seen[2 if again else 1]) if seen else called(_class(_own_class(cost, name)), operator)
        if place is not None:
            return f"{_short(place[0], root)}:{place[1]}"
    path: list[str] = []
    while name:
        row = cost.modules.get(name)
        if row is None:
            return ""
        path.insert(0, row.attribute)
        if not row.owner.startswith(_CONTAINERS):
            kind = _class(row.owner)
            place = (used(kind, path) if call else None) or assigned(kind, path) or _definition(kind)
            if place is not None:
                return f"{_short(place[0], root)}:{place[1]}"
        name = name.rpartition(".")[0]
    row = cost.modules.get("")
    place = _definition(_class(row.owner)) if row is not None and not row.owner.startswith(_CONTAINERS) else None
    return f"{_short(place[0], root)}:{place[1]}" if place is not None else ""


def _own_class(cost: Cost, name: str) -> str:
    """The class of a module with where it is defined: its children's owner; empty for one that has none."""
    if not name:
        return cost.modules[""].owner if "" in cost.modules else ""
    inside = (row for other, row in cost.modules.items() if other.rpartition(".")[0] == name)
    return next((row.owner for row in inside), "")


def _definition(kind: type | None) -> tuple[str, int] | None:
    code = code_of(kind) if kind is not None else None
    return (code.file, code.offset + 1) if code is not None else None


def _class(owner: str) -> type | None:
    module, _, qualified = owner.partition(":")
    found: object = sys.modules.get(module)
    for part in qualified.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None


def _short(file: str, root: str) -> str:
    path = Path(file)
    if root and path.is_relative_to(root):
        relative = path.relative_to(root)
        if "site-packages" not in relative.parts:
            return relative.as_posix()
    if "site-packages" in path.parts:
        parts = path.parts
        return Path(*parts[parts.index("site-packages") + 1 :]).as_posix()
    return path.as_posix()
