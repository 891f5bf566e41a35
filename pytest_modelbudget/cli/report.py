"""``modelbudget report``: a JSON report rendered as another format."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from ..errors import TargetError, UsageError
from ..report.formats import FORMATS, JSON
from ..text.line import either, one_line

_WRITTEN = sorted((one for one in FORMATS if one is not JSON), key=lambda one: one.option)
"""The formats that the JSON report can be rendered as."""


def add(commands: Any) -> None:
    """Declare the command."""
    report = commands.add_parser("report", help="render a JSON report as another format", allow_abbrev=False)
    report.add_argument("results", metavar="RESULTS.json", type=Path)
    for one in _WRITTEN:
        report.add_argument(f"--{one.option}", metavar="FILE", type=Path, help=one.noted(f"write {one.option}"))
    report.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Render every file that is asked for, then write them."""
    from ..report.formats.json import from_json
    from ..report.parts.files import write_file

    wanted = {one: path for one in _WRITTEN if (path := getattr(arguments, one.option)) is not None}
    if not wanted:
        raise UsageError(f"Nothing to write. Say {either([one.noted(f'--{one.option} FILE') for one in _WRITTEN])}.")
    paths = [os.path.realpath(path) for path in (arguments.results, *wanted.values())]
    if len(set(paths)) < len(paths):
        raise UsageError("One file is named twice: each report needs its own, and the results stay as they are.")
    try:
        data = arguments.results.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TargetError(f"{arguments.results} cannot be read: {reason}.") from error
    report = from_json(data, str(arguments.results))
    texts = {one: one.render(report) for one in wanted}  # all, before the first is written
    for one, path in wanted.items():
        write_file(path, texts[one].encode(), f"--{one.option} {path}: the report")
        print(f"report: {one_line(str(path))}")
    return 0
