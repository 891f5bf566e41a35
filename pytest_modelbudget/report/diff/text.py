"""Two files of costs side by side, as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from ...baseline.diff import Difference
from ...text.line import shown
from ...text.tables import plain_table
from ...values.metrics import title_of
from .entries import cell, columns, explained, listed, sentence, word


def render(differences: Sequence[Difference], *, fail_on: Decimal | None = None) -> str:
    """What became of how many entries, a row for each that is not the same, and what is known of why."""
    entries, metrics = listed(differences), columns(differences, fail_on)
    parts = [sentence(differences, fail_on)]
    if entries:
        rows = [[shown(one.name), word(one, fail_on), *(cell(one, metric) for metric in metrics)] for one in entries]
        parts.append(plain_table(rows, ["entry", "", *(title_of(metric) for metric in metrics)]))
    for one in entries:
        lines = explained(one)
        if lines:
            parts.append("\n".join([shown(one.name), *(f"    {line}".rstrip() for line in lines)]))
    return "\n\n".join(parts)
