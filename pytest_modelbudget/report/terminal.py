"""The section a run ends with: one row for each measured model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..text.line import one_line
from ..values.request import CONVENTIONS
from ..values.result import Result
from .growth import why
from .standing import standing
from .tables import summary_table


class Line(NamedTuple):
    """A line of text and the colour the terminal reporter gives it."""

    text: str
    markup: dict[str, bool]


def summary(results: Sequence[Result], *, verbosity: int = 0) -> Iterator[Line]:
    """Finished lines for the end of a run; module tables from ``-v`` on, all levels from ``-vv``."""
    header, *rows = summary_table(results).splitlines()
    yield Line(header, {"bold": True})
    for result, row in zip(results, rows, strict=True):
        yield Line(row, {"green": True} if result.verdict.passed else {"red": True})
    yield Line("", {})
    for convention in sorted({result.cost.convention for result in results}):
        yield Line(CONVENTIONS[convention], {})
    for result in results:
        drifted = result.verdict.passed and standing(result) in ("grew", "not comparable")
        grows = ", ".join(scaled.says() for scaled in result.verdict.scaling)
        said = [*([f"grows as {grows}"] if grows else []), *([why(result)] if drifted else [])]
        for text in (*result.cost.notes, *result.verdict.warnings, *said):
            for line in text.splitlines():
                yield Line(f"{one_line(result.entry)}: {one_line(line.strip())}", {"yellow": True})
    if verbosity > 0:
        for result in results:
            yield Line("", {})
            yield Line(
                f"{one_line(result.entry)} ({one_line(result.cost.model)}, {result.cost.point})",
                {"bold": True},
            )
            for text in result.cost.table(depth=2 if verbosity == 1 else 99).splitlines():
                yield Line(text, {})
