"""What ``modelbudget count`` prints: the totals, the modules, and a marker ready to paste."""

from __future__ import annotations

from .. import units
from ..cost import METRICS, Cost
from ..verdict import uncounted
from .failure import conditions
from .tables import module_table, plain
from .text import one_line


def count_text(cost: Cost, *, depth: int, code: str) -> str:
    """The whole text of one count. ``code`` is how a test would name the factory."""
    totals = [[metric, units.show(value, metric, unit=True)] for metric, value in _metrics(cost)]
    parts = [conditions(cost), plain(totals, right=(1,)), module_table(cost, depth)]
    unknown = uncounted(cost)
    if unknown:
        parts.append(unknown)
    return "\n\n".join([*parts, "A marker that passes at this cost:", marker(cost, code)])


def _metrics(cost: Cost) -> list[tuple[str, int]]:
    found = [(metric, cost.metric(metric)) for metric in METRICS]
    return [(metric, value) for metric, value in found if value is not None]


def marker(cost: Cost, code: str) -> str:
    """A budget at what the model costs now, rounded up so that it passes."""
    arguments = [
        f'flops="{units.show_limit(cost.flops, "flops")}"',
        f'params="{units.show_limit(cost.params, "params")}"',
    ]
    point = cost.point
    if point.batch is not None:
        arguments.append(f"batch={point.batch}")
    if point.res is not None:
        arguments.append(f"res={point.res[0] if point.res[0] == point.res[1] else point.res}")
    if point.seq is not None:
        arguments.append(f"seq={point.seq}")
    if point.channels not in (None, 3):
        arguments.append(f"channels={point.channels}")
    if point.dtype is not None:
        arguments.append(f'dtype="{point.dtype}"')
    name = "".join(c if c.isalnum() else "_" for c in one_line(cost.model)).lower()
    return f"    @budget(model={code}, {', '.join(arguments)})\n    def test_{name}_cost(): ..."
