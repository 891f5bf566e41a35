"""A measured figure beside a published one, to the digits it was printed with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

UNITS = {"": 0, "M": 6, "G": 9}


@dataclass(frozen=True)
class Figure:
    """One number: ours exactly, theirs in ``unit`` with ``digits`` decimals. ``theirs`` is ``None`` if unpublished."""

    ours: int
    theirs: float | None
    unit: str = ""
    digits: int = 0

    @property
    def rounded(self) -> Decimal:
        """Ours with their digits."""
        return self._printed(Decimal(self.ours).scaleb(-UNITS[self.unit]))

    @property
    def agrees(self) -> bool:
        """Whether ours is what was rounded to theirs: at most half of the last digit away, either way at the half."""
        assert self.theirs is not None
        difference = Decimal(self.ours).scaleb(-UNITS[self.unit]) - self._printed(Decimal(str(self.theirs)))
        return abs(difference) <= Decimal(5).scaleb(-self.digits - 1) if self.digits or self.unit else difference == 0

    @property
    def difference(self) -> str:
        """``0`` when they agree, or how much larger ours is."""
        if self.theirs is None:
            return ""
        if self.agrees:
            return "0"
        relative = Decimal(self.ours).scaleb(-UNITS[self.unit]) / Decimal(str(self.theirs)) - 1
        return f"{relative:+.2%}".replace("%", " %")

    def cells(self) -> list[str]:
        """Ours, theirs and the difference, as text."""
        theirs = "" if self.theirs is None else f"{self._printed(Decimal(str(self.theirs))):,}"
        return [f"{self.rounded:,}", theirs, self.difference]

    def _printed(self, value: Decimal) -> Decimal:
        return value.quantize(Decimal(1).scaleb(-self.digits), rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True)
class Compared:
    """One model: what it is counted on, its work, its parameters, and why a figure differs where one does."""

    model: str
    inputs: str
    work: Figure
    params: Figure
    why: str = ""


def table(rows: Iterable[Compared], *, work: str, params: str) -> str:
    """A Markdown table; ``work`` and ``params`` head the columns of the two figures."""
    head = ["model", "inputs", work, "published", "difference", params, "published", "difference", "why"]
    lines = [head, ["---", "---", *["---:"] * 6, "---"]]
    lines += [[row.model, row.inputs, *row.work.cells(), *row.params.cells(), row.why] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
