"""``modelbudget history``: the baseline file through git history."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import UsageError, nearest
from ..text.line import one_line
from ..values.aliases import named_metric
from ..values.entry import BASELINE
from ..values.metrics import metric_names


def add(commands: Any) -> None:
    """Declare the command."""
    history = commands.add_parser("history", help="the baseline file through git history", allow_abbrev=False)
    history.add_argument(
        "entries", metavar="ENTRY", nargs="*", help="names of entries, or parts of them (default: all)"
    )
    history.add_argument(
        "--metric",
        metavar="NAME",
        default="flops",
        help=f"{', '.join(metric_names(recorded=True))} (default flops)",
    )
    history.add_argument("--baseline", metavar="FILE", type=Path, default=Path(BASELINE), help=f"default {BASELINE}")
    history.add_argument("--most", type=int, default=50, help="commits to show at most (default 50)")
    history.add_argument("--plot", metavar="FILE", type=Path, help="also draw it, as .png or .svg")
    history.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the table, and draw the picture if it is asked for."""
    from ..baseline.history import history
    from ..report.history.picture import history_plot
    from ..report.history.table import history_table
    from ..report.parts.picture import check_picture

    if arguments.most < 1:
        raise UsageError(f"--most {arguments.most} is not a whole number above zero.")
    if arguments.plot is not None:
        check_picture(arguments.plot)
    metric = named_metric(arguments.metric, metric_names(recorded=True))
    found = history(arguments.baseline, most=arguments.most)
    names = _named(found.names, arguments.entries)
    print(history_table(found, metric, names))
    if arguments.plot is not None:
        history_plot(found, metric, names, arguments.plot)
        print(f"plot: {one_line(str(arguments.plot))}")
    return 0


def _named(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The names that are wanted, or that have one of those in them. Raises `UsageError` for one that nothing has."""
    if not wanted:
        return list(names)
    found = set()
    for text in wanted:
        matching = [text] if text in names else [name for name in names if text in name]
        if not matching:
            there = f"There are: {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}." if names else ""
            raise UsageError(f"No entry is named like {text!r}.{nearest(text, names)} {there}".rstrip())
        found.update(matching)
    return sorted(found)
