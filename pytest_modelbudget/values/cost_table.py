"""The cost of a model's modules as a table: what ``Cost.table``, a printed `Cost` and the reports show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ..text.line import one_line
from ..text.tables import html_table, indented, plain_table
from ..text.units import share
from .metrics import show, title_of

_METRICS = ("flops", "params", "activations")


class Row(Protocol):
    """A module with its name, class and metrics, as in `ModuleCost`."""

    @property
    def kind(self) -> str:
        """The class."""

    @property
    def flops(self) -> int:
        """FLOPs with everything below."""


def module_table(modules: Mapping[str, Row], depth: int = 2, metrics: Sequence[str] = _METRICS) -> str:
    """Every module down to ``depth`` levels: name, class, its metrics with everything below it, share of FLOPs."""
    headers, rows = _texts(modules, depth, metrics)
    return plain_table(rows, headers, right=range(2, len(headers)))


def module_html(modules: Mapping[str, Row], depth: int = 2, metrics: Sequence[str] = _METRICS) -> str:
    """`module_table` as HTML, escaped."""
    headers, rows = _texts(modules, depth, metrics)
    return html_table(rows, headers, right=range(2, len(headers)))


def _texts(modules: Mapping[str, Row], depth: int, metrics: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    rows = []
    for name, row in modules.items():
        level = name.count(".") + 1 if name else 0
        if level > depth:
            continue
        label = indented(" " * 2 * level + (one_line(name.rpartition(".")[2]) or one_line(row.kind)))
        values = [show(getattr(row, metric), metric) for metric in metrics]
        rows.append([label, one_line(row.kind), *values, share(row.flops, modules[""].flops)])
    return ["module", "class", *(title_of(metric) for metric in metrics), "share"], rows
