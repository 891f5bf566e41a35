"""The geometry of an icicle picture: each module a box as wide as its cost, its children below it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """A module's place: ``x`` and ``width`` as parts of the picture's width, ``level`` 0 for the top.

    ``family`` numbers the children of the top, for colours; it is -1 for the top itself.
    """

    name: str
    x: float
    width: float
    level: int
    value: int
    family: int


def icicle(
    values: Mapping[str, int], *, top: str = "", whole: int = 0, least: float = 0.006, levels: int = 6
) -> list[Box]:
    """The boxes of ``top`` and what is below it by name; ``whole`` is the value that fills the picture's width.

    Children stand in the order of ``values``. Boxes narrower than ``least`` are left out, and so is what is below
    them. Children that add up to more than their parent (modules called from elsewhere) share its width.
    """
    below: dict[str, list[str]] = {}
    for name in values:
        if name != top:
            below.setdefault(name.rpartition(".")[0], []).append(name)
    total = values.get(top, 0)
    full = max(whole, total)
    if not full:
        return []
    boxes = []
    waiting = [Box(top, 0.0, total / full, 0, total, -1)]
    while waiting:
        box = waiting.pop()
        boxes.append(box)
        if box.level + 1 < levels:
            waiting += reversed(_children(box, below.get(box.name, []), values, least))
    return boxes


def _children(parent: Box, names: list[str], values: Mapping[str, int], least: float) -> list[Box]:
    shared = max(parent.value, sum(values[name] for name in names))
    boxes, x = [], parent.x
    for number, name in enumerate(names):
        width = parent.width * (values[name] / shared) if shared else 0.0
        family = number if parent.level == 0 else parent.family
        if width >= least:
            boxes.append(Box(name, x, width, parent.level + 1, values[name], family))
        x += width
    return boxes
