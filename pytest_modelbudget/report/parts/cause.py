"""The cause of a growth in one sentence, and the entries that have it in common."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...text.line import shown
from ...values.growth import Growth, ModuleChange
from ...values.result import Result
from .description import describe, described, named, repeated
from .factors import became
from .standing import FAILING, standing


@dataclass(frozen=True)
class Cause:
    """A cause, and the names of the entries that fail by it."""

    sentence: str
    entries: tuple[str, ...]


def cause(growth: Growth | None) -> str:
    """``transformer.layers.*.net.1 changed: Linear(384, 1536) -> Linear(384, 1920), 24 times, vit.py:75``; or empty."""
    if growth is None:
        return ""
    if growth.beside and (not growth.modules or not growth.modules[0].own):
        return shown(growth.beside[0], 200)
    if growth.modules:
        first = growth.modules[0]
        what = (described(first), repeated(first.times), shown(first.source))
        return f"{named(first)} {_verb(first)}: {', '.join(text for text in what if text)}"
    return ", ".join(f"{shown(f.name)}{became(f)}" for f in growth.factors if f.before != f.after or f.was != f.now)


def _verb(change: ModuleChange) -> str:
    return "renamed and changed" if change.status == "renamed" and (change.inside or change.own) else change.status


def common_causes(results: Iterable[Result], *, least: int = 2) -> list[Cause]:
    """The causes that ``least`` or more failing entries have in common, that of the most entries first.

    A change is the same if the same line makes the same of the same class; sizes may be those of each entry.
    """
    groups: dict[tuple[object, ...], list[tuple[str, str]]] = {}
    for result in results:
        growth = result.comparison.growth if result.comparison is not None else None
        sentence = cause(growth)
        if growth is not None and sentence and standing(result) in FAILING:
            groups.setdefault(_key(growth, sentence), []).append((result.entry, sentence))
    found = [Cause(group[0][1], tuple(entry for entry, _ in group)) for group in groups.values() if len(group) >= least]
    return sorted(found, key=lambda one: -len(one.entries))


def _key(growth: Growth, sentence: str) -> tuple[object, ...]:
    if not growth.modules or sentence in growth.beside:
        return (sentence,)
    first = growth.modules[0]
    names = [re.sub(r"\d+(?:[-,]\d+)*", "*", name) for name in (first.name, first.was_name)]
    return (first.status, *names, first.was_kind, first.kind, _without_numbers(first), first.source)


def _without_numbers(change: ModuleChange) -> str:
    text = ", ".join([describe(change.kind, change.config, versus=change.was_config), *change.what])
    return re.sub(r"[\d.]+", "#", text)


NAMED = 8
"""Entries that are named under a cause; the others are counted."""


def causes_lines(causes: Sequence[Cause], *, most: int = NAMED) -> list[str]:
    """The causes as lines: the sentence with the number of entries, then these, indented."""
    lines = []
    for one in causes:
        lines.append(f"one change, {len(one.entries)} entries: {one.sentence}")
        lines += [f"    {shown(entry)}" for entry in one.entries[:most]]
        lines += [f"    and {len(one.entries) - most} more"] if len(one.entries) > most else []
    return lines
