"""The options and ini keys of pytest: declared, and read into plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..gate.config import CHOICES
from ..report.formats import FORMATS
from ..text.line import either
from ..values.entry import BASELINE

if TYPE_CHECKING:
    import pytest


def declare(parser: pytest.Parser) -> None:
    """Declare the options and ini keys."""
    group = parser.getgroup("modelbudget", "model budgets")
    for choice in CHOICES:
        parser.addini(choice.name, f"{choice.help}; default {choice.default}", default="")
        if choice.option:
            group.addoption(choice.option, dest=choice.name, choices=choice.allowed, help=choice.help)
    group.addoption(
        "--budget-update", dest="budget_update", action="store_true", help="record this run as the baseline"
    )
    write = "write the limits that are ... into their files; with =all, those that are there, too"
    for option, value in (("--budget-write", "open"), ("--budget-write=all", "all")):  # no argument, which eats a path
        group.addoption(option, dest="budget_write", action="store_const", const=value, default="", help=write)
    for name, metavar, text in (
        ("headroom", "PCT", "how far above what was measured --budget-write puts a limit, in percent; default 2"),
        ("baseline", "FILE", "the baseline file; default modelbudget.json in the root directory"),
        ("tolerance", "PCT", "how far above its baseline a metric may be, in percent; default 0"),
    ):
        group.addoption(f"--budget-{name}", dest=f"budget_{name}", metavar=metavar, help=text)
        parser.addini(f"budget_{name}", text, default="")
    strict = "fail the run when the baseline has entries whose tests are gone"
    group.addoption("--budget-strict", dest="budget_strict", action="store_true", default=None, help=strict)
    parser.addini("budget_strict", strict, default="")
    table = "collect the budgets of pyproject.toml or modelbudget.toml; default: where pytest gets no arguments"
    parser.addini("budget_table", table, default="")
    real = "also run each step for real on the device at hand: its peak memory and time beside what is predicted"
    group.addoption("--budget-measure", dest="budget_measure", action="store_true", default=None, help=real)
    parser.addini("budget_measure", real, default="")
    suffixes = either([one.noted(one.suffix) for one in FORMATS])
    report = f"write a report: {suffixes}; may be given several times"
    group.addoption("--budget-report", dest="budget_report", metavar="FILE", action="append", help=report)
    parser.addini("budget_report", report, type="linelist", default=[])


def write_of(options: Any) -> str:
    """Which limits are to be written: ``"open"`` ones, ``"all"``, or none."""
    return getattr(options, "budget_write", "") or ""


def values_of(config: pytest.Config) -> dict[str, Any]:
    """Every setting by name; an option goes before its ini key. Paths are absolute: an option's is relative to
    where pytest was called, an ini key's to the root directory.
    """
    values = {c.name: (config.getoption(c.name, None) if c.option else None) or config.getini(c.name) for c in CHOICES}
    values["budget_update"] = config.getoption("budget_update")
    values["budget_write"] = write_of(config.option)
    for name in ("budget_headroom", "budget_tolerance", "budget_strict", "budget_measure"):
        values[name] = config.getoption(name) or config.getini(name)
    values["budget_root"] = config.rootpath
    values["budget_table"] = config.getini("budget_table")
    here, root = config.invocation_params.dir, config.rootpath
    option, key = config.getoption("budget_baseline"), config.getini("budget_baseline")
    values["budget_baseline"] = here / option if option else root / (key or BASELINE)
    values["budget_baseline_named"] = bool(option or key)
    reports = config.getoption("budget_report")
    values["budget_report"] = (
        [here / p for p in reports] if reports else [root / p for p in config.getini("budget_report")]
    )
    if hasattr(config, "workerinput"):  # a worker of xdist reads the controller's baseline and writes nothing
        values["budget_baseline"] = config.workerinput["modelbudget_baseline"]
        values["budget_report"] = []
    return values
