"""``modelbudget count``: what a model costs, and a marker ready to paste."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..errors import UsageError
from .flags import TARGET, add_counting, add_measurement, measurement_arguments


def add(commands: Any) -> None:
    """Declare the command."""
    count = commands.add_parser("count", help="cost table of a model, and a marker ready to paste", allow_abbrev=False)
    count.add_argument("target", metavar="TARGET", help=TARGET)
    add_measurement(count, several=False)
    add_counting(count)
    count.add_argument("--depth", type=int, default=2, help="levels of modules to list (default 2)")
    count.add_argument("--json", action="store_true", help="print the whole cost as JSON")
    count.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Count once and print."""
    from dataclasses import replace

    from ..counting.measure import count
    from ..grids.targets import find_target
    from ..report.count import count_text
    from ..values.request import Request

    if arguments.depth < 0:
        raise UsageError(f"--depth {arguments.depth} is negative.")
    given = measurement_arguments(arguments)
    target = find_target(arguments.target)
    if target.res is not None and not {"res", "seq", "inputs"} & set(given):
        given["res"] = target.res
    request = Request.of(**given)
    cost = count(target.model, replace(request, point=request.point.with_batch_if_needed()))
    if arguments.json:
        print(json.dumps(cost.to_dict(), indent=2))
    else:
        print(count_text(cost, depth=arguments.depth, code=target.code, inputs=arguments.inputs))
    return 0
