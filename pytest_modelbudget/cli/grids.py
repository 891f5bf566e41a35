"""The commands that look at many operating points: ``modelbudget sweep`` and ``modelbudget fit``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..text.line import one_line
from ..text.units import BYTE_METRICS
from ..values.cost import CONVENTIONS, METRICS

_RANGES = "values and ranges: 1,2,4 or 128:512:32, which is from, to and with the end, step"


def add_commands(commands: Any, target: str, shape: Callable[[str], Any]) -> None:
    """Declare both commands. ``target`` says what a TARGET is, ``shape`` reads one of ``--inputs``."""
    sweep = commands.add_parser("sweep", help="cost over batch and resolution", allow_abbrev=False)
    sweep.add_argument("targets", metavar="TARGET", nargs="+", help=target)
    _add_axes(sweep, shape)
    sweep.add_argument(
        "--metrics",
        metavar="NAMES",
        help=f"some of {', '.join(METRICS)} (default: all but memory, for which each point is counted)",
    )
    sweep.add_argument("--every-point", action="store_true", help="count each point, even where a few give them all")
    for name in ("csv", "json", "md"):
        sweep.add_argument(f"--{name}", metavar="FILE", type=Path, help=f"also write {name}")
    sweep.add_argument("--plot", metavar="FILE", type=Path, help="also draw it, as .png or .svg")
    sweep.add_argument(
        "--accuracy",
        metavar="NAME=VALUE|CSV",
        action="append",
        help="of a model, for the picture; or a CSV file with the columns target and accuracy; repeatable",
    )
    sweep.add_argument("--jobs", type=int, default=1, help="processes that count at the same time (default 1)")
    sweep.set_defaults(run=_sweep)
    fit = commands.add_parser("fit", help="the largest batch or resolution within limits", allow_abbrev=False)
    fit.add_argument("target", metavar="TARGET", help=target)
    _add_axes(fit, shape)
    for metric in METRICS:
        example = "8GiB" if metric in BYTE_METRICS else "10G" if metric in ("flops", "macs") else "26M"
        fit.add_argument(f"--{metric.replace('_', '-')}", metavar="LIMIT", help=f"such as {example}")
    fit.set_defaults(run=_fit)


def _add_axes(command: argparse.ArgumentParser, shape: Callable[[str], Any]) -> None:
    command.add_argument("--batch", help=f"batch sizes, as {_RANGES} (default 1)")
    command.add_argument("--res", help="resolutions of an image model, likewise; also 480x640")
    command.add_argument("--seq", help="sequence lengths of a token model, likewise")
    command.add_argument("--channels", type=int, help="channels of the image (default 3)")
    command.add_argument("--inputs", action="append", type=shape, metavar="SHAPE", help="as for count; repeatable")
    command.add_argument("--dtype", help="dtypes to count in, such as fp32,bf16 (default: the model's own)")
    command.add_argument("--mode", default="infer", help="infer, train, or both: infer,train (default infer)")
    command.add_argument("--optimizer", help="for train: none, sgd, momentum, adam or adamw")
    command.add_argument("--amp", help="autocast to this dtype")
    command.add_argument("--attention", help="how attention is kept in memory: fused or math")
    command.add_argument("--device", help="whose memory rules hold, such as cuda")
    command.add_argument("--convention", choices=tuple(CONVENTIONS), default="fvcore", help="convention for FLOPs")


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ("channels", "inputs", "dtype", "mode", "optimizer", "amp", "attention", "device", "convention")
    return {name: value for name in names if (value := getattr(arguments, name)) is not None}


def _sweep(arguments: argparse.Namespace) -> int:
    from ..grids.sweep import sweep
    from ..report.formats import write_file
    from ..report.sweep import sweep_csv, sweep_json, sweep_markdown, sweep_table

    writers = {"csv": sweep_csv, "json": sweep_json, "md": sweep_markdown}
    files = {name: path for name in writers if (path := getattr(arguments, name)) is not None}
    _check_files([*files.values(), *([arguments.plot] if arguments.plot is not None else [])])
    if arguments.plot is not None:
        from ..report.curves import read_accuracy, sweep_plot
        from ..report.history import check_plot

        check_plot(arguments.plot)
        accuracy = read_accuracy(arguments.accuracy or (), arguments.targets)
    elif arguments.accuracy:
        raise UsageError("--accuracy is for the picture: say --plot FILE, too.")
    with _bar() as progress:
        found = sweep(
            arguments.targets,
            batch=arguments.batch,
            res=arguments.res,
            seq=arguments.seq,
            metrics=arguments.metrics,
            exact=arguments.every_point,
            jobs=arguments.jobs,
            progress=progress,
            **_options(arguments),
        )
    print(sweep_table(found))
    for name, path in files.items():
        write_file(path, writers[name](found).encode(), f"--{name} {path}: the sweep")
        print(f"{name}: {one_line(str(path))}")
    if arguments.plot is not None:
        sweep_plot(found, arguments.plot, accuracy)
        print(f"plot: {one_line(str(arguments.plot))}")
    return 0


def _fit(arguments: argparse.Namespace) -> int:
    from ..grids.fit import fit
    from ..report.fit import fit_text

    options = _options(arguments)
    for name in ("dtype", "mode"):
        if "," in options.get(name, ""):
            raise UsageError(f"--{name} {options[name]}: fit looks at one of them.")
    limits = {metric: getattr(arguments, metric) for metric in METRICS}
    sizes = {name: getattr(arguments, name) for name in ("batch", "res", "seq")}
    with _bar() as progress:
        found = fit(arguments.target, progress=progress, **sizes, **limits, **options)
    print(fit_text(found))
    return int(not found)


def _check_files(paths: list[Path]) -> None:
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("One file is named twice: each output needs its own.")


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on a terminal; it shows up when the work takes longer than a second."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(unit=" points", delay=1, leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total or None  # a search does not know how far it has to go
            bar.update(done - bar.n)

        yield progress
