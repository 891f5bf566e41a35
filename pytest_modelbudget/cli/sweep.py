"""``modelbudget sweep``: what models cost over batch, resolution and sequence."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..text.line import one_line
from ..values.metrics import metric_names
from .flags import TARGET, add_args, add_measurement, check_apart, factory_arguments, grid_arguments
from .progress import bar


def add(commands: Any) -> None:
    """Declare the command."""
    from ..report.sweep.formats import SWEEP_FORMATS

    sweep = commands.add_parser("sweep", help="cost over batch and resolution", allow_abbrev=False)
    sweep.add_argument("targets", metavar="TARGET", nargs="+", help=TARGET)
    add_args(sweep)
    add_measurement(sweep, several=True)
    sweep.add_argument(
        "--metrics",
        metavar="NAMES",
        help=f"some of {', '.join(metric_names(estimate=False))} "
        "(default: those that a few counts give at every point; for others each point is counted)",
    )
    sweep.add_argument("--every-point", action="store_true", help="count each point, even where a few give them all")
    for name in SWEEP_FORMATS:
        sweep.add_argument(f"--{name}", metavar="FILE", type=Path, help=f"also write {name}")
    sweep.add_argument("--plot", metavar="FILE", type=Path, help="also draw it, as .png or .svg")
    sweep.add_argument(
        "--accuracy",
        metavar="NAME=VALUE|CSV",
        action="append",
        help="of a model, for the picture; or a CSV file with the columns target and accuracy; repeatable",
    )
    sweep.add_argument("--jobs", type=int, default=1, help="processes that count at the same time (default 1)")
    sweep.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Sweep, print the table, and write the files that were asked for."""
    from ..grids.sweep import sweep
    from ..report.parts.files import write_file
    from ..report.sweep.formats import SWEEP_FORMATS

    files = {name: path for name in SWEEP_FORMATS if (path := getattr(arguments, name)) is not None}
    check_apart([*files.values(), *([arguments.plot] if arguments.plot is not None else [])])
    if arguments.plot is not None:
        from ..report.parts.picture import check_picture
        from ..report.sweep.accuracy import read_accuracy
        from ..report.sweep.picture import sweep_plot

        check_picture(arguments.plot)
        accuracy = read_accuracy(arguments.accuracy or (), arguments.targets)
    elif arguments.accuracy:
        raise UsageError("--accuracy is for the picture: say --plot FILE, too.")
    with bar() as progress:
        found = sweep(
            arguments.targets,
            args=factory_arguments(arguments),
            metrics=arguments.metrics,
            exact=arguments.every_point,
            jobs=arguments.jobs,
            progress=progress,
            **grid_arguments(arguments),
        )
    print(found.table())
    for name, path in files.items():
        write_file(path, SWEEP_FORMATS[name](found).encode(), f"--{name} {path}: the sweep")
        print(f"{name}: {one_line(str(path))}")
    if arguments.plot is not None:
        sweep_plot(found, arguments.plot, accuracy)
        print(f"plot: {one_line(str(arguments.plot))}")
    return 0
