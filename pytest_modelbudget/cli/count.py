"""``modelbudget count``: what a model costs, and a marker ready to paste."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..errors import UsageError
from .flags import TARGET, add_args, add_counting, add_measurement, factory_arguments, measurement_arguments


def add(commands: Any) -> None:
    """Declare the command."""
    count = commands.add_parser("count", help="cost table of a model, and a marker ready to paste", allow_abbrev=False)
    count.add_argument("target", metavar="TARGET", help=TARGET)
    add_args(count)
    add_measurement(count, several=False)
    add_counting(count)
    count.add_argument("--depth", type=int, default=2, help="levels of modules to list (default 2)")
    count.add_argument("--json", action="store_true", help="print the whole cost as JSON")
    count.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Count once and print."""
    from dataclasses import replace

    from ..counting.measure import count
    from ..report.count import count_text
    from ..targets.find import find_target
    from ..values.request import Request

    if arguments.depth < 0:
        raise UsageError(f"--depth {arguments.depth} is negative.")
    given = measurement_arguments(arguments)
    args = factory_arguments(arguments)
    target = find_target(arguments.target, args)
    request = Request.of(**{**target.usual(given), **given})
    cost = count(target.model, replace(request, point=request.point.with_batch_if_needed()))
    if arguments.json:
        print(json.dumps(cost.to_dict(), indent=2))
    else:
        named = {"inputs": arguments.inputs[0]} if callable(given.get("inputs")) else {}
        said = {key: value for key, value in given.items() if key == "inputs"}
        print(count_text(cost, depth=arguments.depth, code=target.code, given={"args": target.args, **said, **named}))
    return 0
