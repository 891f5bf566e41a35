"""The settings of a run: ini keys and options, read once and strictly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .errors import UsageError, nearest


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
        ("fvcore", "torch"),
        "convention for FLOPs: fvcore (1 per multiply-add, norms included) or torch (2 per multiply-add)",
    ),
    Choice(
        "budget_counter",
        ("aten", "fvcore"),
        "who counts: aten (every operator, on the meta device) or fvcore (FlopCountAnalysis, a real run)",
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
    """The settings, each one of the words its `Choice` allows."""

    flops: str = "fvcore"
    counter: str = "aten"
    unknown_ops: str = "error"


def read_config(values: dict[str, Any]) -> Config:
    """Check the settings by name (``budget_flops``, ...); missing or empty ones take their default."""
    checked = {}
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
    return Config(**checked)
