"""The metrics of a verdict beside their limits and their baselines, as a table."""

from __future__ import annotations

from ...text import units
from ...text.tables import plain_table
from ...values.metrics import find_metric, show, show_apart
from ...values.verdict import Verdict


def metric_table(verdict: Verdict) -> str:
    """Each metric that has a limit: used, budget, share; then each above its baseline: used, baseline, growth."""
    limits, grown = [], []
    for j in verdict.judged:
        if j.limit is not None:
            used, limit = show_apart(j.used, j.limit, j.metric)
            over = f"over by {show(j.used - j.limit, j.metric)}" if j.over else ""
            limits.append([find_metric(j.metric).label, used, limit, units.share(j.used, j.limit), over])
    for r in verdict.regressed:
        used, before = show_apart(r.used, r.before, r.metric)
        grown.append([r.metric, used, before, r.growth])
    tables = [plain_table(limits, ["", "used", "budget", "share", ""], right=(1, 2, 3))] if limits else []
    tables += [plain_table(grown, ["", "used", "baseline", "growth"], right=(1, 2, 3))] if grown else []
    return "\n\n".join(tables)
