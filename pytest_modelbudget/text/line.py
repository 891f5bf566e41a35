"""Text from test ids, module names and files made safe to show: on one line, inert, and not longer than it bears."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def one_line(text: str) -> str:
    """``text`` without control, formatting and direction characters, which are shown as escapes instead.

    What GitHub Actions would take for a command, ``::`` at the start of a line and ``##[`` anywhere, is broken up.
    """
    line = "".join(c if c == " " or unicodedata.category(c)[0] not in "CZ" else repr(c)[1:-1] for c in text)
    line = line.replace("##[", "## [")
    return line.replace("::", ": :", 1) if line.lstrip().startswith("::") else line


def either(texts: Sequence[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    return " or ".join(text for text in (", ".join(texts[:-1]), texts[-1]) if text)


def shown(text: str, most: int = 120) -> str:
    """``text`` on one line, with its middle left out where it is longer than ``most`` characters."""
    line = one_line(text if len(text) <= 2 * most else text[:most] + text[-most:])
    if len(line) <= most:
        return line
    head = (most - 3) // 2
    return f"{line[:head]}...{line[len(line) - (most - 3 - head) :]}"


def quoted(text: str) -> str:
    """A text in double quotes, as it stands in Python and in TOML; one line in, one line out."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
