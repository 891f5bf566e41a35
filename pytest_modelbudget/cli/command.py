"""The command ``modelbudget``. Exit codes: 0 fine, 1 over budget or regressed, 2 wrong usage or a tool error."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._version import __version__
from ..errors import BudgetError, TargetError, UsageError, nearest
from ..testing.config import BASELINE
from ..text.line import one_line
from ..text.units import parse_percent
from ..values.cost import CONVENTIONS, METRICS
from ..values.point import OPTIMIZERS
from . import grids as cli_grid

_TARGET = "package.module:factory, path/file.py:factory, torchvision:resnet50 or timm:vit_base_patch16_224"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = _parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name may have characters that the terminal has not
    try:
        status = int(arguments.run(arguments))
        sys.stdout.flush()
    except BudgetError as error:
        print("modelbudget:", "\n".join(map(one_line, str(error).splitlines())), file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read this has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    return status


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
    count.add_argument("--measure", action="store_true", help="also run the step for real, on the device at hand")
    count.add_argument("--depth", type=int, default=2, help="levels of modules to list (default 2)")
    count.add_argument("--convention", choices=tuple(CONVENTIONS), default="fvcore", help="convention for FLOPs")
    count.add_argument("--counter", choices=("aten", "fvcore"), default="aten", help="who counts")
    count.add_argument("--json", action="store_true", help="print the whole cost as JSON")
    count.set_defaults(run=_count)
    cli_grid.add_commands(commands, _TARGET, _shape)
    _add_review(commands)
    return parser


def _add_review(commands: Any) -> None:
    diff = commands.add_parser("diff", help="two baselines or JSON reports side by side", allow_abbrev=False)
    diff.add_argument("old", metavar="OLD", type=Path)
    diff.add_argument("new", metavar="NEW", type=Path)
    diff.add_argument("--format", choices=("text", "md", "json", "github"), default="text", help="default text")
    diff.add_argument("--fail-on", metavar="PCT", help="exit with 1 if a metric grew by more than this, such as 1%%")
    diff.set_defaults(run=_diff)
    history = commands.add_parser("history", help="the baseline file through git history", allow_abbrev=False)
    history.add_argument(
        "entries", metavar="ENTRY", nargs="*", help="names of entries, or parts of them (default: all)"
    )
    history.add_argument("--metric", choices=METRICS, default="flops", help="default flops")
    history.add_argument("--baseline", metavar="FILE", type=Path, default=Path(BASELINE), help=f"default {BASELINE}")
    history.add_argument("--most", type=int, default=50, help="commits to show at most (default 50)")
    history.add_argument("--plot", metavar="FILE", type=Path, help="also draw it, as .png or .svg")
    history.set_defaults(run=_history)
    report = commands.add_parser("report", help="render a JSON report as another format", allow_abbrev=False)
    report.add_argument("results", metavar="RESULTS.json", type=Path)
    for name in ("html", "md", "txt"):
        report.add_argument(f"--{name}", metavar="FILE", type=Path, help=f"write {name}")
    report.set_defaults(run=_report)


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
    command.add_argument("--mode", default="infer", help="infer (a forward pass in eval mode) or train (a step)")
    command.add_argument("--optimizer", help=f"with --mode train: {', '.join(OPTIMIZERS)} (default adamw)")
    command.add_argument("--amp", help="autocast: bf16 or fp16")
    command.add_argument("--attention", help="how attention is kept in memory: fused (default) or math")
    command.add_argument("--device", help="cuda, or a card such as T4: its memory rules, and its predicted time")


def _resolution(text: str) -> int | tuple[int, int]:
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of pixels nor HEIGHTxWIDTH")
    return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def _shape(text: str) -> tuple[int | str, ...]:
    return tuple(int(size) if size.strip().isdecimal() else size.strip() for size in text.split(","))


def _count(arguments: argparse.Namespace) -> int:
    from ..counting.measure import measure
    from ..grids.targets import find_target
    from ..report.count import count_text

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
        optimizer=arguments.optimizer,
        amp=arguments.amp,
        attention=arguments.attention,
        device=arguments.device,
        measured=arguments.measure,
        convention=arguments.convention,
        counter=arguments.counter,
    )
    if arguments.json:
        print(json.dumps(cost.to_dict(), indent=2))
    else:
        print(count_text(cost, depth=arguments.depth, code=target.code, inputs=arguments.inputs))
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    from ..baseline.diff import diff, load
    from ..report.diff import diff_annotations, diff_json, diff_markdown, diff_text
    from ..report.json import from_json

    fail_on = parse_percent(arguments.fail_on, "--fail-on") if arguments.fail_on is not None else None
    found = diff(load(arguments.old, from_json), load(arguments.new, from_json))
    render = {"text": diff_text, "md": diff_markdown, "json": diff_json, "github": diff_annotations}[arguments.format]
    print(render(found, fail_on=fail_on))
    return int(fail_on is not None and any(difference.beyond(fail_on) for difference in found))


def _history(arguments: argparse.Namespace) -> int:
    from ..baseline.history import history
    from ..report.history import check_plot, history_plot, history_table

    if arguments.most < 1:
        raise UsageError(f"--most {arguments.most} is not a whole number above zero.")
    if arguments.plot is not None:
        check_plot(arguments.plot)
    found = history(arguments.baseline, most=arguments.most)
    names = _named(found.names, arguments.entries)
    print(history_table(found, arguments.metric, names))
    if arguments.plot is not None:
        history_plot(found, arguments.metric, names, arguments.plot)
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


def _report(arguments: argparse.Namespace) -> int:
    from ..report.formats import FORMATS, write_file
    from ..report.json import from_json

    wanted = {name: path for name in ("html", "md", "txt") if (path := getattr(arguments, name)) is not None}
    if not wanted:
        raise UsageError("Nothing to write. Say --html FILE, --md FILE or --txt FILE (OpenMetrics).")
    paths = [os.path.realpath(path) for path in (arguments.results, *wanted.values())]
    if len(set(paths)) < len(paths):
        raise UsageError("One file is named twice: each report needs its own, and the results stay as they are.")
    try:
        data = arguments.results.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TargetError(f"{arguments.results} cannot be read: {reason}.") from error
    report = from_json(data, str(arguments.results))
    texts = {name: FORMATS[f".{name}"](report) for name in wanted}  # all, before the first is written
    for name, path in wanted.items():
        write_file(path, texts[name].encode(), f"--{name} {path}: the report")
        print(f"report: {one_line(str(path))}")
    return 0


def _batch(arguments: argparse.Namespace, res: Any) -> int | None:
    if arguments.batch is None and (res is not None or arguments.seq is not None):
        return 1
    return arguments.batch if arguments.batch is None else int(arguments.batch)
