"""The cost of a model's modules as a plain table: what ``Cost.table`` and the reports show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ..text.line import one_line
from ..text.tables import indented, plain_table
from ..text.units import share
from .metrics import show, title_of


class Row(Protocol):
    """A module with its name, class and metrics, as in `ModuleCost`."""

    @property
    def kind(self) -> str:
        """The class."""

    @property
    def flops(self) -> int:
        """FLOPs with everything below."""


def module_table(
    modules: Mapping[str, Row], depth: int = 2, metrics: Sequence[str] = ("flops", "params", "activations")
) -> str:
    """Every module down to ``depth`` levels: name, class, its metrics with everything below it, share of FLOPs."""
    rows = []
    for name, row in modules.items():
        level = name.count(".") + 1 if name else 0
        if level > depth:
            continue
        label = indented(" " * 2 * level + (one_line(name.rpartition(".")[2]) or one_line(row.kind)))
        values = [show(getattr(row, metric), metric) for metric in metrics]
        rows.append([label, one_line(row.kind), *values, share(row.flops, modules[""].flops)])
    headers = ["module", "class", *(title_of(metric) for metric in metrics), "share"]
    return plain_table(rows, headers, right=range(2, len(headers)))
