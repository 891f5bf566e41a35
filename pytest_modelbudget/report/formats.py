"""Which format a file gets by its suffix, and writing it whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ..errors import UsageError, nearest
from ..text.files import replace_file
from ..values.run import Report

Renderer = Callable[[Report], str]


def _json(report: Report) -> str:
    from .json import to_json

    return to_json(report)


def _markdown(report: Report) -> str:
    from .markdown import to_markdown

    return to_markdown(report)


def _html(report: Report) -> str:
    from .html import to_html

    return to_html(report)


def _openmetrics(report: Report) -> str:
    from .openmetrics import to_openmetrics

    return to_openmetrics(report)


FORMATS: dict[str, Renderer] = {".json": _json, ".md": _markdown, ".html": _html, ".txt": _openmetrics}
"""Suffix to renderer, each loaded when it is used."""


def renderer(path: Path) -> Renderer:
    """The renderer for a file's suffix. Raises `UsageError` for one that no format has."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        found = f"the suffix {suffix!r}" if suffix else "no suffix"
        raise UsageError(
            f"--budget-report {path}: {found} says no format. Allowed: {', '.join(FORMATS)} (OpenMetrics)."
            f"{nearest(suffix, FORMATS)}"
        )
    return FORMATS[suffix]


def write_report(path: Path, report: Report) -> None:
    """Render the report and put it in place, as `write_file` does. Raises `UsageError` where that cannot be done."""
    write_file(path, renderer(path)(report).encode(), f"--budget-report {path}: the report")


def write_file(path: Path, data: bytes, what: str) -> None:
    """Put a file in place; it is the old one until the new one is whole.

    A missing folder is made; a link stays a link. Raises `UsageError`, that ``what`` cannot be written.
    """
    try:
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(target, data)
    except (OSError, ValueError) as error:  # a ValueError is a name that no file can have
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, FileExistsError):  # what mkdir says of a file in the place of a folder
            reason = "Not a directory"
        raise UsageError(f"{what} cannot be written: {reason}.") from error
