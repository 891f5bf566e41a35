"""Tables of texts, without rules: what terminals and messages show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tabulate import tabulate

_INDENT = "\ue000"  # tabulate strips spaces; a name cannot hold this one, since `one_line` would escape it


def plain_table(rows: Iterable[Sequence[str]], headers: Sequence[str] = (), *, right: Iterable[int] = ()) -> str:
    """A table without rules; the columns in ``right`` are aligned to the right."""
    rows = [list(row) for row in rows]
    width = len(headers) or max((len(row) for row in rows), default=0)
    aligned = ["right" if i in set(right) else "left" for i in range(width)]
    text = tabulate(rows, headers=headers, tablefmt="plain", colalign=aligned if rows else None, disable_numparse=True)
    return "\n".join(line.rstrip() for line in text.replace(_INDENT, " ").splitlines())


def pipe_table(rows: Iterable[Sequence[str]], headers: Sequence[str], *, right: Iterable[int] = ()) -> str:
    """A table in Markdown, of texts that are escaped already."""
    aligned = ["right" if i in set(right) else "left" for i in range(len(headers))]
    return tabulate(list(rows), headers, tablefmt="pipe", colalign=aligned, disable_numparse=True)


def html_table(rows: Iterable[Sequence[str]], headers: Sequence[str], *, right: Iterable[int] = ()) -> str:
    """A table in HTML, whose cells are escaped."""
    aligned = ["right" if i in set(right) else "left" for i in range(len(headers))]
    text = str(tabulate(list(rows), headers, tablefmt="html", colalign=aligned, disable_numparse=True))
    return text.replace(_INDENT, "&nbsp;")


def indented(text: str) -> str:
    """A cell whose leading spaces stay."""
    stripped = text.lstrip()
    return _INDENT * (len(text) - len(stripped)) + stripped
