"""``modelbudget calibrate``: measure the device at hand, for predictions of time on it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .progress import bar


def add(commands: Any) -> None:
    """Declare the command."""
    calibrate = commands.add_parser(
        "calibrate", help="measure small models on the device at hand, for estimates of time on it", allow_abbrev=False
    )
    calibrate.add_argument("file", metavar="FILE.json", type=Path, help="the calibration, for --device FILE.json")
    calibrate.add_argument("--name", help="what estimates call the device (default: what PyTorch calls it)")
    calibrate.add_argument("--seconds", type=float, default=0.5, help="to measure each step for (default 0.5)")
    calibrate.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, write, print."""
    from ..counting.calibrating.run import calibrate, name_of_device
    from ..report.calibration import calibration_text
    from ..values.own_device import SUFFIX, save_device

    if arguments.file.suffix != SUFFIX:
        raise UsageError(f"{str(arguments.file)!r} is not the name of a calibration. Give one that ends with {SUFFIX}.")
    if not 0 <= arguments.seconds <= 60:
        raise UsageError(f"--seconds {arguments.seconds:g} is not from 0 to 60.")
    with bar() as progress:
        found = calibrate(arguments.name or name_of_device(), seconds=arguments.seconds, progress=progress)
    try:
        save_device(arguments.file, found.device)
    except OSError as error:
        raise UsageError(f"{arguments.file} cannot be written: {error.strerror or error}.") from None
    print(calibration_text(found.device, found.steps, str(arguments.file)))
    return 0
