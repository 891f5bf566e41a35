"""``modelbudget diff``: two baselines or JSON reports side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..text.units import parse_percent


def add(commands: Any) -> None:
    """Declare the command."""
    from ..report.diff.formats import DIFF_FORMATS

    diff = commands.add_parser("diff", help="two baselines or JSON reports side by side", allow_abbrev=False)
    diff.add_argument("old", metavar="OLD", type=Path)
    diff.add_argument("new", metavar="NEW", type=Path)
    diff.add_argument("--format", choices=tuple(DIFF_FORMATS), default="text", help="default text")
    diff.add_argument("--fail-on", metavar="PCT", help="exit with 1 if a metric grew by more than this, such as 1%%")
    diff.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the differences; 1 where a metric grew by more than ``--fail-on``."""
    from ..baseline.diff import diff, load
    from ..report.diff.formats import DIFF_FORMATS
    from ..report.formats.json import from_json

    fail_on = parse_percent(arguments.fail_on, "--fail-on") if arguments.fail_on is not None else None
    found = diff(load(arguments.old, from_json), load(arguments.new, from_json))
    print(DIFF_FORMATS[arguments.format](found, fail_on=fail_on))
    return int(fail_on is not None and any(difference.beyond(fail_on) for difference in found))
