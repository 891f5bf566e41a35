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
from ..values.aliases import did_you_mean
from . import calibrate, check, count, diff, fit, history, init, report, sweep

COMMANDS = (init, count, check, sweep, fit, diff, history, report, calibrate)
"""A file each, which declares its command with ``add`` and does it with ``run``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = command_line()
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(map(one_line, unknown))}{_hint(unknown[0], arguments)}")
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


def _hint(unknown: str, arguments: argparse.Namespace) -> str:
    """What a flag that is not there may be meant as, in words."""
    name, flags = unknown.partition("=")[0], {f"--{one.replace('_', '-')}": one for one in vars(arguments)}
    if not name.startswith("--"):
        return ""
    found = did_you_mean(name.removeprefix("--"), flags.values())
    return next((f". Did you mean {flag}?" for flag, one in flags.items() if repr(one) in found), "")


def command_line() -> argparse.ArgumentParser:
    """The parser of all commands and their arguments."""
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
