"""Text that came from a test id or a module name, made safe to show on one line of a terminal."""

from __future__ import annotations

import unicodedata


def one_line(text: str) -> str:
    """``text`` without control, formatting and direction characters, which are shown as escapes instead.

    What GitHub Actions would take for a command, ``::`` at the start of a line and ``##[`` anywhere, is broken up.
    """
    line = "".join(c if c == " " or unicodedata.category(c)[0] not in "CZ" else repr(c)[1:-1] for c in text)
    line = line.replace("##[", "## [")
    return line.replace("::", ": :", 1) if line.lstrip().startswith("::") else line
