"""Flags that several commands have: those of a measurement come from the fields of its point and request."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..grids.axes import one_value
from ..targets.arguments import Word
from ..targets.find import FORMS
from ..values.kinds import Flag
from ..values.point import axes, axis_names, dimensions, point_arguments
from ..values.request import CONVENTIONS, COUNTERS
from .inputs import read_inputs

TARGET = FORMS
"""What a TARGET is, in a command's help."""

_RANGES = "values and ranges: 1,2,4 or 128:512:32, which is from, to and with the end, step"


def add_measurement(command: argparse.ArgumentParser, *, several: bool) -> None:
    """Add a flag for each argument of a measurement; ``several`` values may be given where a sweep takes them."""
    for axis in axes():
        more = f"; {_RANGES if axis.ordered else 'several with commas'}" if several and axis.swept else ""
        name = f"--{axis.name.replace('_', '-')}"
        if isinstance(axis.kind, Flag):
            command.add_argument(name, action="store_true", default=None, help=axis.help)
        else:
            command.add_argument(name, metavar=axis.kind.metavar.upper() or None, help=f"{axis.help}{more}")
    command.add_argument("--dim", dest="dims", action="append", type=_dimension, metavar="NAME=N",
                         help="a dimension of your own, by its name in --inputs; repeatable")  # fmt: skip
    command.add_argument(
        "--inputs",
        action="append",
        metavar="[NAME=]SHAPE[:DTYPE]|FILE:FUNCTION",
        help="an input such as batch,80,seq or ids=batch,seq:int64, repeatable; float where it says no dtype, but for "
        "batch,seq, which are token ids; or path/file.py:function, which gives them all",
    )
    command.add_argument("--convention", choices=tuple(CONVENTIONS), help="convention for FLOPs (default fvcore)")


def add_args(command: argparse.ArgumentParser) -> None:
    """Add the flag for the arguments of what builds the model."""
    command.add_argument(
        "--arg", dest="args", action="append", type=_argument, metavar="NAME=VALUE",
        help="an argument of the factory, such as num_classes=10; repeatable",
    )  # fmt: skip


def add_counting(command: argparse.ArgumentParser) -> None:
    """Add the flags of a single count."""
    command.add_argument("--measure", dest="measured", action="store_true", default=None,
                         help="also run the step for real, on the device at hand")  # fmt: skip
    command.add_argument("--counter", choices=tuple(COUNTERS), help="who counts (default aten)")


_OPTIONS = ("inputs", "convention", "counter", "measured")


def grid_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    """What was given of the flags, as `sweep` and `fit` take it."""
    names = (*point_arguments(), *_OPTIONS)
    given = {name: value for name in names if (value := getattr(arguments, name, None)) is not None}
    if "dims" in given:
        given["dims"] = dict(given["dims"])
    if "inputs" in given:
        given["inputs"] = read_inputs(given["inputs"])
    return given


def factory_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    """What ``--arg`` gave, by name. Raises `UsageError` for a name that is given twice."""
    pairs = arguments.args or []
    for name, value in pairs:
        if [one for one, _ in pairs].count(name) > 1:
            raise UsageError(f"--arg {name}={value}: {name!r} is given twice. Leave one out.")
    return dict(pairs)


def measurement_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    """What was given of the flags, as `measure` takes it: one value of each axis. Raises `UsageError`."""
    given = grid_arguments(arguments)
    if "dims" in given:
        given["dims"] = {name: one_value(name, value) for name, value in dimensions(given["dims"]).items()}
    return {name: one_value(name, value) if name in axis_names() else value for name, value in given.items()}


def check_apart(paths: list[Path]) -> None:
    """Raise `UsageError` where one file is named for two outputs."""
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("One file is named twice: each output needs its own.")


def _dimension(text: str) -> tuple[str, str | None]:
    """A name and its values; of a name alone, they are left open."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not name or (equals and not value):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=N, such as frames=16")
    return name, value or None


def _argument(text: str) -> tuple[str, Word]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as num_classes=10")
    return name.strip(), Word(value.strip())
