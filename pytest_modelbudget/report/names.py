"""Names from tests and models as reports show them: on one line, inert, and not longer than a line bears."""

from __future__ import annotations

from .text import one_line


def shown(text: str, most: int = 120) -> str:
    """``text`` on one line, with its middle left out where it is longer than ``most`` characters."""
    line = one_line(text if len(text) <= 2 * most else text[:most] + text[-most:])
    if len(line) <= most:
        return line
    head = (most - 3) // 2
    return f"{line[:head]}...{line[len(line) - (most - 3 - head) :]}"
