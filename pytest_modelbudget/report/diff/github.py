"""Two files of costs side by side, as annotations of a GitHub Actions job."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from ...baseline.diff import Difference
from ...text.line import shown
from ..parts.annotations import MOST, Annotation, annotation_lines
from ..parts.changes import change_sentences
from .entries import beyond, cell, columns, explained, sentence


def render(differences: Sequence[Difference], *, fail_on: Decimal | None = None, most: int = MOST) -> str:
    """``::error`` for entries beyond ``fail_on``, ``::warning`` for others that grew or cannot be compared.

    The last says how many more there are. Then the sentence, for the log.
    """
    told = [one for one in differences if one.grew or one.status == "not comparable"]
    annotations = [_annotation(one, fail_on) for one in told[:most]]
    lines = annotation_lines(annotations, left_out=len(told) - most, of="entries are not annotated.")
    return "\n".join([*lines, sentence(differences, fail_on)])


def _annotation(one: Difference, fail_on: Decimal | None) -> Annotation:
    """What changed, why, and the modules that changed most: an annotation has no columns."""
    cells = [f"{metric} {cell(one, metric)}" for metric in columns([one], fail_on) if metric in one.changes]
    lines = [", ".join(cells), *explained(one, most=0), *change_sentences(one.growth)]
    return Annotation(
        level="error" if beyond(one, fail_on) else "warning",
        place=_place(one),
        entry=one.name,
        message=[line for line in lines if line],
    )


def _place(one: Difference) -> dict[str, str]:
    if one.new is None:
        return {}
    if one.new.result is not None:
        return {"file": shown(one.new.result.path, 400), "line": str(one.new.result.line)}
    return {"file": shown(one.new.entry.test.split("::")[0], 400)}
