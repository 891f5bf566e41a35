"""Two files of costs side by side, as Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from ...baseline.diff import Difference
from ...values.metrics import title_of
from ..parts.markdown import LIMIT, MARKER, Room, code, folded, table_head, table_row
from .entries import beyond, cell, columns, explained, listed, sentence, word

_LEFT_OUT = "Left out, to stay within {} bytes: {} entries and {} explanations."


def render(differences: Sequence[Difference], *, fail_on: Decimal | None = None, limit: int = LIMIT) -> str:
    """The text within ``limit`` bytes: a table, growth first, and folded below it why.

    What does not fit is left out from the end, whole, and counted.
    """
    entries, metrics = listed(differences), columns(differences, fail_on)
    head = [MARKER, "### Model budgets", "", f"**{sentence(differences, fail_on)}**", ""]
    if entries:
        head += table_head(["", "entry"], [title_of(metric) for metric in metrics])
    room = Room(limit - len("\n".join(head).encode()) - len(_LEFT_OUT) - 100)
    rows = room.fill(_row(one, metrics, fail_on) for one in entries)
    explanations = [folded(one.name, "\n".join(lines)) for one in entries if (lines := explained(one))]
    sections = room.fill(explanations)
    lines = [*head, *rows, *([""] if rows else []), *sections]
    if len(rows) < len(entries) or len(sections) < len(explanations):
        lines += [_LEFT_OUT.format(limit, len(entries) - len(rows), len(explanations) - len(sections)), ""]
    return "\n".join(lines)


def _row(difference: Difference, metrics: Iterable[str], fail_on: Decimal | None) -> str:
    standing = word(difference, fail_on)
    bold = f"**{standing}**" if beyond(difference, fail_on) else standing
    return table_row([bold, code(difference.name), *(cell(difference, metric) for metric in metrics)])
