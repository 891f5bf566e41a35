"""The settings of a run: ini keys and options, read once and strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..errors import UsageError, nearest
from ..text import units
from ..values.entry import BASELINE
from ..values.request import CONVENTIONS, COUNTERS


@dataclass(frozen=True)
class Choice:
    """A setting that takes one of a few words; its option is ``--budget-...`` where it has one."""

    name: str
    allowed: tuple[str, ...]
    help: str
    option: str | None = None

    @property
    def default(self) -> str:
        """The first word allowed."""
        return self.allowed[0]


CHOICES = (
    Choice(
        "budget_flops",
        tuple(CONVENTIONS),
        "convention for FLOPs: fvcore (1 per multiply-add, norms included) or torch (2 per multiply-add)",
    ),
    Choice(
        "budget_counter",
        tuple(COUNTERS),
        f"who counts: {' or '.join(f'{name} ({what})' for name, what in COUNTERS.items())}",
        "--budget-counter",
    ),
    Choice(
        "budget_unknown_ops",
        ("error", "warn"),
        "what an operator without a formula does to a budget: error (it fails) or warn",
    ),
)


@dataclass(frozen=True)
class Config:
    """The settings: words of their `Choice`, where the baseline is, and how the run treats it.

    ``tolerance`` is in percent, ``None`` where none is given; ``update`` records instead of comparing. ``named`` says
    that the user told where the baseline is, so that it is missed where it is not. ``write`` says which limits are
    written into their files, ``"open"`` or ``"all"``, ``headroom`` percent above what was measured. ``table`` says
    whether a table's budgets are collected, ``"true"`` or ``"false"``; files are shown relative to ``root``.
    """

    flops: str = "fvcore"
    counter: str = "aten"
    unknown_ops: str = "error"
    baseline: Path = Path(BASELINE)
    named: bool = False
    tolerance: Decimal | None = None
    update: bool = False
    write: str = ""
    headroom: Decimal = Decimal(2)
    strict: bool = False
    measure: bool = False
    reports: tuple[Path, ...] = ()
    table: str = ""
    root: Path = Path()

    def settings(self) -> dict[str, Any]:
        """The arguments of a measurement that hold for the whole run."""
        return {"convention": self.flops, "counter": self.counter, "measured": self.measure}


def read_config(values: Mapping[str, Any]) -> Config:
    """Check the settings by name (``budget_flops``, ...); missing or empty ones take their default.

    Raises `UsageError`.
    """
    checked: dict[str, Any] = {}
    for choice in CHOICES:
        value = str(values.get(choice.name) or choice.default).strip()
        if value not in choice.allowed:
            raise UsageError(
                f"{choice.name} = {value}: allowed are {' and '.join(choice.allowed)}.{nearest(value, choice.allowed)}"
            )
        checked[choice.name.removeprefix("budget_")] = value
    if checked["counter"] == "fvcore" and checked["flops"] != "fvcore":
        raise UsageError(
            "budget_counter = fvcore counts in its own convention: set budget_flops = fvcore, or leave it out."
        )
    tolerance, headroom = values.get("budget_tolerance"), values.get("budget_headroom")
    table = str(values.get("budget_table") or "")
    if table:
        table = "true" if _flag("budget_table", table) else "false"
    return Config(
        **checked,
        baseline=Path(values.get("budget_baseline") or BASELINE),
        named=bool(values.get("budget_baseline_named")),
        tolerance=units.parse_percent(tolerance, "budget_tolerance") if tolerance else None,
        update=bool(values.get("budget_update")),
        write=values.get("budget_write") or "",
        headroom=units.parse_percent(headroom, "budget_headroom") if headroom else Config.headroom,
        strict=_flag("budget_strict", values.get("budget_strict")),
        measure=_flag("budget_measure", values.get("budget_measure")),
        table=table,
        root=Path(values.get("budget_root") or ""),
        reports=tuple(Path(path) for path in values.get("budget_report") or ()),
    )


def _flag(name: str, value: Any) -> bool:
    text = str(value or "false").strip().lower()
    if text not in _FLAGS:
        raise UsageError(f"{name} = {value}: allowed are true and false.")
    return _FLAGS[text]


_FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
