"""``modelbudget fit``: the largest batch or resolution within limits."""

from __future__ import annotations

import argparse
from typing import Any

from ..values.limits import limit_names
from ..values.metrics import all_metrics
from .flags import TARGET, add_args, add_measurement, factory_arguments, grid_arguments
from .progress import bar


def add(commands: Any) -> None:
    """Declare the command."""
    fit = commands.add_parser("fit", help="the largest batch or resolution within limits", allow_abbrev=False)
    fit.add_argument("target", metavar="TARGET", help=TARGET)
    add_args(fit)
    add_measurement(fit, several=True)
    fit.add_argument("--fits", action="store_true", default=None, help="what the memory of the device named holds")
    for metric in all_metrics():
        example = metric.unit.example.split(" or ")[0].strip('"')
        fit.add_argument(f"--{metric.name.replace('_', '-')}", metavar="LIMIT", help=f"such as {example}")
    fit.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Search and print; 1 where nothing fits."""
    from ..grids.fit import fit

    limits = {name: value for name in limit_names() if (value := getattr(arguments, name)) is not None}
    with bar() as progress:
        args = factory_arguments(arguments)
        found = fit(arguments.target, args=args, progress=progress, **limits, **grid_arguments(arguments))
    print(found.table())
    return int(not found)
