"""Results as name and value pairs, which pytest carries into JUnit XML and across processes."""

from __future__ import annotations

from collections.abc import Iterable

from ..text.line import one_line
from ..values.metrics import find_metric
from ..values.result import Result

_UNITS = {"nanoseconds": "_ns"}
"""What a property's name ends in, by the unit of its value: bytes and counts go without saying."""


def properties(results: Iterable[Result]) -> list[tuple[str, str]]:
    """``modelbudget.flops`` = ``4111514624``, and so on; with the entry's name where a test has several."""
    results = list(results)
    pairs = []
    for result in results:
        prefix = "modelbudget" if len(results) == 1 else f"modelbudget[{one_line(result.entry)}]"
        for j in result.verdict.judged:
            metric = find_metric(j.metric)
            name = f"{metric.label.replace(' ', '_')}{_UNITS.get(metric.unit.name, '')}"
            pairs.append((f"{prefix}.{name}", str(j.used)))
            if j.limit is not None:
                pairs.append((f"{prefix}.{name}.limit", str(j.limit)))
        for s in result.verdict.scaling:
            name = f"{prefix}.scaling.{'params.' if s.metric == 'params' else ''}{s.dimension}"
            pairs += [(name, f"{s.exponent:.2f}"), (f"{name}.limit", s.allowed)]
        pairs.append((f"{prefix}.point", str(result.cost.point)))
        pairs.append((f"{prefix}.convention", result.cost.convention))
        pairs.append((f"{prefix}.executed", result.cost.executed))
        if result.cost.throughput is not None:
            pairs.append((f"{prefix}.estimated_for", result.cost.throughput.device))
    return pairs
