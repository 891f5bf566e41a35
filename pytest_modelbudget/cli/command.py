"""The command ``modelbudget``. Exit codes: 0 fine, 1 over budget or regressed, 2 wrong usage or a tool error."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from .._version import __version__
from ..errors import BudgetError
from ..text.line import one_line
from . import calibrate, count, diff, fit, history, report, sweep

COMMANDS = (count, sweep, fit, diff, history, report, calibrate)
"""A file each, which declares its command with ``add`` and does it with ``run``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = _parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name may have characters that the terminal has not
    try:
        status = int(arguments.run(arguments))
        sys.stdout.flush()
    except BudgetError as error:
        print("modelbudget:", "\n".join(map(one_line, str(error).splitlines())), file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read this has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="modelbudget",
        description="What a PyTorch model costs, counted without running it.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"modelbudget {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
