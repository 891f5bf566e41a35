"""Lines that belong together, under one label."""

from __future__ import annotations

from collections.abc import Iterable


def labelled(label: str, lines: Iterable[str]) -> list[str]:
    """The lines with ``label``, its own spaces included, before the first, and the others indented by its width."""
    return [f"{' ' * len(label) if number else label}{line}" for number, line in enumerate(lines)]
