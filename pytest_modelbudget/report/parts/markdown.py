"""Markdown for GitHub: names in which nothing is markup, rows of tables, folded sections, and texts within a limit."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from ...text.line import shown

MARKER = "<!-- modelbudget -->"
"""The first line, by which a comment is found again to be replaced."""

LIMIT = 60_000
"""Bytes of a text for a pull request, whose comments end at 64 KiB."""


def code(text: str) -> str:
    """A name as a code span, in which nothing is markup: no link, mention, image, emoji or HTML."""
    line = shown(text) or " "
    ticks = "`" * (_longest_run(line) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{space}{line}{space}{ticks}"


def escaped(text: str) -> str:
    """A text outside of code, in which nothing is markup either."""
    return "".join(_ESCAPES.get(character, character) for character in text)


_ESCAPES = {"<": "&lt;", ">": "&gt;", **{character: f"\\{character}" for character in "\\|`*_[]"}}


def table_head(texts: Sequence[str], numbers: Sequence[str]) -> list[str]:
    """The headings of a table, first those of columns of text, and the line below them."""
    return [table_row([*texts, *numbers]), table_row([*("---" for _ in texts), *("--:" for _ in numbers)])]


def table_row(cells: Iterable[str]) -> str:
    """A row of a table."""
    inert = (cell.replace("|", "\\|") for cell in cells)  # also inside code: that is how tables are read
    return f"| {' | '.join(inert)} |"


def folded(name: str, body: str, *, status: str = "") -> str:
    """A section that is folded below the name of an entry, and its ``status``; the body is shown as it is."""
    title = f"<b>{status}</b> " if status else ""
    title += f"<code>{html.escape(shown(name))}</code>"
    fence = "`" * max(3, _longest_run(body) + 1)
    return f"<details><summary>{title}</summary>\n\n{fence}text\n{body}\n{fence}\n\n</details>\n"


def _longest_run(text: str) -> int:
    """The most backticks in a row."""
    return max((len(run) for run in re.findall("`+", text)), default=0)


class Room:
    """Room for texts that come in the order of their importance: after the first that does not fit, none does."""

    def __init__(self, size: int) -> None:
        self._left = size

    def fill(self, texts: Iterable[str]) -> list[str]:
        """Those of the texts that there is room for, by their bytes and a newline each."""
        kept = []
        for text in texts:
            self._left -= len(text.encode()) + 1
            if self._left < 0:
                break
            kept.append(text)
        return kept
