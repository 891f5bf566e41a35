"""A literal in the text of a file: where it begins and ends, and what stands there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import BudgetError


class NotWritten(BudgetError):
    """A limit that cannot be written where it stands: why, and what to write by hand."""


@dataclass(frozen=True, order=True)
class Literal:
    """The characters from ``begin`` up to ``end`` of a text; ``value`` is what they say."""

    begin: int
    end: int
    value: Any

    def written(self, text: str, limit: str, number: int) -> str:
        """The new literal for a limit that is ``limit`` in text and ``number`` in figures, as the old one was written.

        A number stays a number, a text keeps its quotes.
        """
        old = text[self.begin : self.end]
        if isinstance(self.value, (int, float)) and not isinstance(self.value, bool):
            return str(number)
        quote = old[-1] if old[-1] in "'\"" and not old.endswith(("'''", '"""')) else '"'
        return f"{quote}{limit}{quote}"
