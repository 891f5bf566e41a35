"""``modelbudget report``: a JSON report rendered as another format."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from ..errors import TargetError, UsageError
from ..text.line import one_line


def add(commands: Any) -> None:
    """Declare the command."""
    report = commands.add_parser("report", help="render a JSON report as another format", allow_abbrev=False)
    report.add_argument("results", metavar="RESULTS.json", type=Path)
    for name in ("html", "md", "txt"):
        report.add_argument(f"--{name}", metavar="FILE", type=Path, help=f"write {name}")
    report.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Render every file that is asked for, then write them."""
    from ..report.formats import FORMATS, write_file
    from ..report.json import from_json

    wanted = {name: path for name in ("html", "md", "txt") if (path := getattr(arguments, name)) is not None}
    if not wanted:
        raise UsageError("Nothing to write. Say --html FILE, --md FILE or --txt FILE (OpenMetrics).")
    paths = [os.path.realpath(path) for path in (arguments.results, *wanted.values())]
    if len(set(paths)) < len(paths):
        raise UsageError("One file is named twice: each report needs its own, and the results stay as they are.")
    try:
        data = arguments.results.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TargetError(f"{arguments.results} cannot be read: {reason}.") from error
    report = from_json(data, str(arguments.results))
    texts = {name: FORMATS[f".{name}"](report) for name in wanted}  # all, before the first is written
    for name, path in wanted.items():
        write_file(path, texts[name].encode(), f"--{name} {path}: the report")
        print(f"report: {one_line(str(path))}")
    return 0
