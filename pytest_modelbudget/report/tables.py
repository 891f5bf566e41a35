"""Tables of costs: by module, by metric, and of a whole run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..text import units
from ..text.line import one_line
from ..text.tables import plain_table
from ..values.cost import Cost, ModuleCost
from ..values.metrics import find_metric, metric_names, show, show_apart, title_of
from ..values.result import Result
from ..values.verdict import Judged, Regressed
from .standing import standing


def metric_table(judged: Iterable[Judged], regressed: Iterable[Regressed] = ()) -> str:
    """Each metric that has a limit: used, budget, share; then each above its baseline: used, baseline, growth."""
    limits, grown = [], []
    for j in judged:
        if j.limit is not None:
            used, limit = show_apart(j.used, j.limit, j.metric)
            over = f"over by {show(j.used - j.limit, j.metric)}" if j.over else ""
            limits.append([find_metric(j.metric).label, used, limit, units.share(j.used, j.limit), over])
    for r in regressed:
        used, before = show_apart(r.used, r.before, r.metric)
        grown.append([r.metric, used, before, r.growth])
    tables = [plain_table(limits, ["", "used", "budget", "share", ""], right=(1, 2, 3))] if limits else []
    tables += [plain_table(grown, ["", "used", "baseline", "growth"], right=(1, 2, 3))] if grown else []
    return "\n\n".join(tables)


def summary_table(results: Sequence[Result]) -> str:
    """One row for each measured entry: operating point, FLOPs, parameters and whatever has a limit."""
    limited = {j.metric for r in results for j in r.verdict.judged if j.limit is not None}
    metrics = [m for m in metric_names() if m in limited or m in ("flops", "params")]
    measured = any(r.cost.measured is not None for r in results)
    rows = []
    for result in results:
        by_metric = {j.metric: j for j in result.verdict.judged}
        cells = [_cell(by_metric.get(metric)) for metric in metrics]
        if measured:
            cells += _measured(result.cost)
        rows.append([one_line(result.entry), str(result.cost.point), *cells, _standing(result)])
    headers = ["entry", "operating point", *(title_of(m) for m in metrics)]
    headers += [*(["measured memory", "measured time"] if measured else []), "verdict"]
    return plain_table(rows, headers)


def _measured(cost: Cost) -> list[str]:
    """Peak and time of a real run, the peak with the error of the prediction."""
    if cost.measured is None:
        return ["-", "-"]
    memory = show(cost.measured.memory, "memory")
    if cost.memory is not None and cost.measured.memory:
        memory += f", predicted {prediction_error(cost.memory, cost.measured.memory)}"
    return [memory, show(cost.measured.nanoseconds, "latency")]


def prediction_error(predicted: int, measured: int) -> str:
    """The error of a prediction in percent of what was measured."""
    return "exactly" if predicted == measured else units.change(predicted, measured)


def _standing(result: Result) -> str:
    """How an entry stands; of one that moved since its baseline, the metric to look at first and by how much."""
    word = standing(result)
    comparison = result.comparison
    if comparison is None or word not in ("above its baseline", "grew", "tighter"):
        return word
    moved = comparison.changes(result.cost, result.module)
    grown = [metric for metric, (before, now) in moved.items() if now > before]
    metric = result.verdict.worst if result.verdict.regressed else next(iter(grown or moved))
    before, now = moved[metric]
    return f"{word}: {metric} {units.change(now, before)}"


def _cell(j: Judged | None) -> str:
    if j is None:
        return "-"
    if j.limit is None:
        return show(j.used, j.metric)
    used, limit = show_apart(j.used, j.limit, j.metric)
    return f"{used} of {limit}, {units.share(j.used, j.limit)}"


def module_values(cost: Cost, metric: str) -> Mapping[str, int]:
    """One metric of every module, with everything below it."""
    if find_metric(metric).estimate:
        times = cost.throughput.by_module() if cost.throughput is not None else {}
        return {name: times.get(name, 0) for name in cost.modules}
    return {name: getattr(row, metric) for name, row in cost.modules.items()}


def costliest(cost: Cost, metric: str, *, below: str = "", most: int = 5) -> list[ModuleCost]:
    """The modules that tell where ``metric`` goes: the largest that do not contain one another.

    Starting from the children of ``below``, a module that holds more than half gives way to its own children
    until there are ``most`` of them, so that one wrapper does not hide everything. It stays where more of its cost
    is its own than any child's.
    """
    values = module_values(cost, metric)
    children: dict[str, list[str]] = {}
    for name in cost.modules:
        if name:
            children.setdefault(name.rpartition(".")[0], []).append(name)
    whole = values.get(below, 0)
    shown = [n for n in children.get(below, []) if values[n] > 0]
    while shown and len(shown) < most:
        largest = max(shown, key=lambda n: values[n])
        inside = [n for n in children.get(largest, []) if values[n] > 0]
        value = values[largest]
        parts = [values[n] for n in inside]
        if not inside or value * 2 <= whole or value - sum(parts) > max(parts):
            break
        shown.remove(largest)
        shown.extend(inside)
    rows = sorted((cost.modules[n] for n in shown), key=lambda row: -values[row.name])
    return rows[:most]
