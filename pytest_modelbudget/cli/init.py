"""``modelbudget init``: a first gate for a package, a table or a test file with measured limits."""

from __future__ import annotations

import argparse
import stat
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..text.line import one_line
from ..text.units import parse_percent
from .flags import add_args, add_measurement, factory_arguments, measurement_arguments


def add(commands: Any) -> None:
    """Declare the command."""
    init = commands.add_parser("init", help="a first gate for the models of a package", allow_abbrev=False)
    init.add_argument("package", metavar="PACKAGE|TARGET", help="the package to look through, or the one model")
    add_args(init)
    init.add_argument("--tests", metavar="FILE", type=Path, help="write a test file instead of a table")
    init.add_argument("--headroom", metavar="PCT", default="2", help="how far above what was measured (default 2)")
    add_measurement(init, several=False)
    init.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look, count and write; 2 where no model was counted."""
    from ..gate.table import FILES, project_table
    from ..grids.discovery import find_models
    from ..report.first import first_table, first_tests
    from ..sources.toml import read_toml
    from ..text.files import replace_file

    headroom = parse_percent(arguments.headroom, "--headroom")
    path = arguments.tests or next((Path(name) for name in FILES if Path(name).is_file()), Path(FILES[-1]))
    if arguments.tests is not None and path.exists():
        raise UsageError(f"{path} is there already, and stays as it is. Name another file.")
    if arguments.tests is None and project_table(Path()).said:
        raise UsageError(
            f"{path} has budgets already. Add to them by hand: modelbudget count TARGET shows what to say."
        )
    args = factory_arguments(arguments)
    models = find_models(arguments.package, measurement_arguments(arguments), args)
    found = sorted(models, key=lambda one: one.target)
    for one in found:
        print(one_line(f"{one.target}: {one.cost.point if one.cost else f'not counted: {one.why}'}"))
    counted = [one for one in found if one.cost is not None]
    if not counted:
        raise UsageError(f"No model of {arguments.package} could be counted, so nothing was written.")
    before = path.read_bytes() if path.exists() else b""
    if arguments.tests is not None:
        data = first_tests(found, headroom).encode()
    else:
        end = "\r\n" if b"\r\n" in before else "\n"
        gap = "" if not before else end if before.endswith(b"\n") else end * 2
        data = before + (gap + first_table(found, headroom).replace("\n", end)).encode()
        read_toml(data, str(path))  # before it is written
    try:
        replace_file(path.resolve(), data, mode=stat.S_IMODE(path.stat().st_mode) if path.exists() else None)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from error
    then = "pytest" if arguments.tests is not None else "modelbudget check, or pytest"
    print(f"{path}: {len(counted)} budgets. Hold them with: {then}")
    return 0
