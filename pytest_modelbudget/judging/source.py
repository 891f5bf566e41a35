"""Where a module stands in the source: the line that assigns it, as people look for it."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ..values.cost import Cost

_CONTAINERS = ("torch.nn.",)


def locate(cost: Cost, name: str, root: str = "") -> str:
    """``file:line`` of the statement ``self.<attribute> = ...`` that made a module, or an empty text.

    A module held by a container (``layer4.0``) is at the container's line. Paths inside ``root`` are relative to it,
    paths of installed packages start at the package.
    """
    while name:
        row = cost.modules.get(name)
        if row is None:
            return ""
        if not row.owner.startswith(_CONTAINERS):
            place = _assignment(_class(row.owner), row.attribute)
            if place is not None:
                return f"{_short(place[0], root)}:{place[1]}"
        name = name.rpartition(".")[0]
    row = cost.modules.get("")
    place = _definition(_class(row.owner)) if row is not None and not row.owner.startswith(_CONTAINERS) else None
    return f"{_short(place[0], root)}:{place[1]}" if place is not None else ""


class _Source(NamedTuple):
    """The text of a class: its file, the line it starts at, and its syntax."""

    file: str
    line: int
    tree: ast.AST


@lru_cache(maxsize=1024)
def _assignment(owner: type | None, attribute: str) -> tuple[str, int] | None:
    """File and line of ``self.<attribute> = ...`` in the class ``owner`` or a base of it, else of the class."""
    for base in getattr(owner, "__mro__", ()):
        source = _source(base)
        for node in ast.walk(source.tree) if source else ():
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and _assigns(node, attribute):
                return source.file, source.line + node.lineno - 1  # type: ignore[union-attr]
    return _definition(owner)


def _assigns(node: ast.Assign | ast.AnnAssign, attribute: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(
        isinstance(target, ast.Attribute)
        and target.attr == attribute
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
        for target in targets
    )


@lru_cache(maxsize=256)
def _source(kind: type) -> _Source | None:
    if kind.__module__ in ("builtins", "torch.nn.modules.module"):
        return None
    try:
        file = inspect.getsourcefile(kind)
        lines, line = inspect.getsourcelines(kind)
        return _Source(file or "", line, ast.parse(textwrap.dedent("".join(lines))))
    except (OSError, TypeError, SyntaxError):  # made at run time: it has no source
        return None


def _definition(kind: type | None) -> tuple[str, int] | None:
    source = _source(kind) if kind is not None else None
    return (source.file, source.line) if source is not None else None


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
