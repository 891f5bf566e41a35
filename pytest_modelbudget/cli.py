"""The command ``modelbudget``. Exit codes: 0 fine, 1 over budget or regressed, 2 wrong usage or a tool error."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from ._version import __version__
from .cost import CONVENTIONS
from .errors import BudgetError, UsageError

_TARGET = "package.module:factory, path/file.py:factory, torchvision:resnet50 or timm:vit_base_patch16_224"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except BudgetError as error:
        print(f"modelbudget: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="modelbudget",
        description="What a PyTorch model costs, counted without running it.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"modelbudget {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    count = commands.add_parser("count", help="cost table of a model, and a marker ready to paste", allow_abbrev=False)
    count.add_argument("target", metavar="TARGET", help=_TARGET)
    _add_point(count)
    count.add_argument("--depth", type=int, default=2, help="levels of modules to list (default 2)")
    count.add_argument("--convention", choices=tuple(CONVENTIONS), default="fvcore", help="convention for FLOPs")
    count.add_argument("--counter", choices=("aten", "fvcore"), default="aten", help="who counts")
    count.add_argument("--json", action="store_true", help="print the whole cost as JSON")
    count.set_defaults(run=_count)
    return parser


def _add_point(command: argparse.ArgumentParser) -> None:
    command.add_argument("--batch", type=int, help="batch size (default 1)")
    command.add_argument("--res", type=_resolution, metavar="N|HxW", help="resolution of an image model")
    command.add_argument("--channels", type=int, help="channels of the image (default 3)")
    command.add_argument("--seq", type=int, help="sequence length of a token model")
    command.add_argument(
        "--inputs",
        action="append",
        type=_shape,
        metavar="SHAPE",
        help="a float input such as batch,80,seq; repeatable",
    )
    command.add_argument("--dtype", help="dtype to count in: fp32, bf16, fp16, fp64 (default: the model's own)")
    command.add_argument("--mode", default="infer", help="infer (a forward pass in eval mode)")


def _resolution(text: str) -> int | tuple[int, int]:
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of pixels nor HEIGHTxWIDTH")
    return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def _shape(text: str) -> tuple[int | str, ...]:
    return tuple(int(size) if size.strip().isdecimal() else size.strip() for size in text.split(","))


def _count(arguments: argparse.Namespace) -> int:
    from .core.measure import measure
    from .report.count import count_text
    from .targets import find_target

    if arguments.depth < 0:
        raise UsageError(f"--depth {arguments.depth} is negative.")
    target = find_target(arguments.target)
    res = arguments.res
    if res is None and arguments.seq is None and arguments.inputs is None:
        res = target.res
    cost = measure(
        target.model,
        batch=_batch(arguments, res),
        res=res,
        channels=arguments.channels,
        seq=arguments.seq,
        inputs=arguments.inputs,
        dtype=arguments.dtype,
        mode=arguments.mode,
        convention=arguments.convention,
        counter=arguments.counter,
    )
    if arguments.json:
        print(json.dumps(cost.to_dict(), indent=2))
    else:
        print(count_text(cost, depth=arguments.depth, code=target.code))
    return 0


def _batch(arguments: argparse.Namespace, res: Any) -> int | None:
    if arguments.batch is None and (res is not None or arguments.seq is not None):
        return 1
    return arguments.batch if arguments.batch is None else int(arguments.batch)


if __name__ == "__main__":
    sys.exit(main())
