"""Why a cost is not what it was, and where: the lines of a failure, of a terminal and of every other report."""

from __future__ import annotations

import re
from fractions import Fraction

from ..judging.growth import row_metric
from ..text import units
from ..text.line import shown
from ..text.tables import plain_table
from ..values.growth import Comparison, Factor, Growth, ModuleChange
from ..values.metrics import show, show_apart
from ..values.point import axes
from ..values.result import Result
from .tables import costliest, module_values

_INDENT = " " * 7  # the width of a label such as "where  "


def growth_lines(result: Result, *, most: int = 5) -> list[str]:
    """``why`` and ``what`` of an entry: the factors, then the modules that changed. None where nothing changed."""
    found = why(result)
    lines = [f"why    {found}"] if found else []
    growth = result.comparison.growth if result.comparison is not None else None
    if growth is not None:
        lines += [f"{_INDENT}{shown(growth.note, 400)}"] if growth.note else []
        table = changes_table(growth, most=most)
        lines += [f"{'what   ' if number == 0 else _INDENT}{line}" for number, line in enumerate(table)]
        if table and _moved(growth):
            lines.append(f"{_INDENT}both counted at {shown(_at(result))}")
    return lines


def where_lines(result: Result, *, most: int = 5) -> list[str]:
    """``where``: the modules that hold most of the metric that the verdict is about."""
    metric, cost = result.verdict.worst, result.cost
    if metric == "memory":  # a peak belongs to no module
        return []
    whole = cost.metric(metric, result.module) or 0
    values = module_values(cost, metric)
    rows = [
        [shown(m.name), shown(m.kind), show(values[m.name], metric), units.share(values[m.name], whole)]
        for m in costliest(cost, metric, below=result.module, most=most)
    ]
    lines = plain_table(rows, right=(2, 3)).splitlines() if rows else []
    return [f"{'where  ' if number == 0 else _INDENT}{line}" for number, line in enumerate(lines)]


def why(result: Result) -> str:
    """``4.00x since the baseline = architecture 1.00x * batch 1.00x * resolution 4.00x (224 -> 448)``."""
    comparison = result.comparison
    if comparison is None or comparison.status == "same":
        return ""
    if comparison.status == "new":
        return "new: the baseline has no entry for it"
    if comparison.status == "not comparable":
        return f"not comparable: {shown(comparison.reason, 400)}"
    growth = comparison.growth
    if growth is None:
        changed = comparison.changes(result.cost, result.module)
        return ", ".join(_total(metric, *pair) for metric, pair in changed.items())
    total = _total(growth.metric, growth.before, growth.after)
    factors = [_factor(factor, growth.metric) for factor in _factors(comparison, growth)]
    return f"{total} = {' * '.join(factors)}" if factors else total


def _factors(comparison: Comparison, growth: Growth) -> list[Factor]:
    """The factors, with those of the operating point that did not change, in the order they were applied."""
    if not growth.factors:
        return []
    point, found = comparison.point, list(growth.factors)
    have = {factor.name for factor in found}
    given = [axis for axis in axes(ordered=True) if point is not None and getattr(point, axis.name) is not None]
    still = [Factor(axis.factor, 1, 1) for axis in given if axis.factor not in have]
    place = [axis.factor for axis in axes(ordered=True)] + [axis.factor for axis in axes(factor=True, ordered=False)]
    return sorted(  # the model comes first
        [*found, *still], key=lambda factor: place.index(factor.name) if factor.name in place else -1
    )


def _total(metric: str, before: int, after: int) -> str:
    name = "" if metric == "flops" else f"{metric} "
    if not before:
        return f"{metric} {show(before, metric)} -> {show(after, metric)} since the baseline"
    return f"{name}{times(Fraction(after, before))} since the baseline"


def _factor(factor: Factor, metric: str) -> str:
    if factor.before == 0 and factor.after != 0:
        text = f"{shown(factor.name)} {show(0, metric)} -> {show(factor.after, metric)}"
    else:
        text = f"{shown(factor.name)} {times(factor.ratio)}"
    return text + (f" ({shown(factor.was)} -> {shown(factor.now)})" if factor.was != factor.now else "")


def times(ratio: Fraction) -> str:
    """Write a ratio as ``4.00x``: never ``1.00x`` nor ``0.00x`` unless it is exactly that."""
    for places in range(2, 31):
        scaled = round(ratio * 10**places)
        misleads = scaled == 10**places or scaled < 10  # one, or a single digit
        if not misleads or scaled == ratio * 10**places:
            break
    return f"{scaled // 10**places}.{scaled % 10**places:0{places}d}x"


def rows_metric(growth: Growth) -> str:
    """What the rows of `Growth.modules` count: memory and the like are told by the parameters."""
    return row_metric(growth.metric)


def biggest_first(growth: Growth) -> list[ModuleChange]:
    """The changed modules, the largest difference first."""
    return sorted(growth.modules, key=lambda change: -abs(change.after - change.before))


def changes_table(growth: Growth, *, most: int) -> list[str]:
    """The changed modules as lines of a table, and how many more there are."""
    metric, changes = rows_metric(growth), biggest_first(growth)
    rows = []
    for change in changes[:most]:
        was, now = values(change, metric)
        rows.append([change.status, named(change), described(change), was, now, difference(change, metric)])
        rows[-1].append(shown(change.source))
    headers = ["", "module", "", f"{metric} was", "is", "difference", ""]
    lines = plain_table(rows, headers, right=(3, 4, 5)).splitlines() if rows else []
    return [*lines, *([f"and {len(changes) - most} more"] if len(changes) > most else [])]


def values(change: ModuleChange, metric: str) -> tuple[str, str]:
    """What a module cost and costs, ``-`` where it was not there."""
    was, now = show_apart(change.before, change.after, metric)
    return "-" if change.status == "added" else was, "-" if change.status == "removed" else now


def difference(change: ModuleChange, metric: str) -> str:
    """``+1.2 G``, ``-300 M``, or ``same``."""
    by = change.after - change.before
    return f"{'+' if by > 0 else '-'}{show(abs(by), metric)}" if by else "same"


def named(change: ModuleChange) -> str:
    """The module's name, and the one it had."""
    return (shown(change.name) or "the model") + (
        f" (was {shown(change.was_name)})" if change.status == "renamed" else ""
    )


def described(change: ModuleChange) -> str:
    """``Conv2d(512, 768, 3)``, and what it was before: ``Conv2d(512, 512, 3) -> Conv2d(512, 768, 3)``."""
    if change.status != "changed" or (change.was_kind, change.was_config) == (change.kind, change.config):
        return describe(change.kind, change.config)
    if change.was_kind != change.kind:  # another class: its arguments mean something else
        return f"{describe(change.was_kind, change.was_config)} -> {describe(change.kind, change.config)}"
    was = describe(change.was_kind, change.was_config, versus=change.config)
    return f"{was} -> {describe(change.kind, change.config, versus=change.was_config)}"


def describe(kind: str, config: str, *, versus: str | None = None) -> str:
    """A module's class and what tells it from others: sizes first, defaults left out unless ``versus`` differs."""
    arguments, other = _arguments(config), _arguments(versus) if versus is not None else None
    parts = []
    for name, value in arguments:
        differs = other is not None and name != "" and (name, value) not in other
        if name in _BARE or name == "":
            parts.append(value)
        elif differs or not (name in _MINOR or (name, value) in _DEFAULT):
            parts.append(f"{name}={value}")
    return shown(f"{kind}({', '.join(parts)})" if parts else kind, 80)


_BARE = frozenset({"kernel_size", "in_features", "out_features"})
_MINOR = frozenset({"padding", "bias", "eps", "momentum", "affine", "elementwise_affine", "inplace", "ceil_mode"}) | {
    "track_running_stats"
}
_DEFAULT = {("stride", "1"), ("dilation", "1"), ("groups", "1")}


def _arguments(config: str) -> list[tuple[str, str]]:
    """``64, kernel_size=(3, 3)`` as names (empty for a positional one) and values; ``(3, 3)`` is ``3``."""
    parts, depth = [""], 0
    for character in config:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [_argument(part.strip()) for part in parts if part.strip()]


def _argument(text: str) -> tuple[str, str]:
    match = re.match(r"(\w+)=(.*)", text, re.DOTALL)
    name, value = (match[1], match[2]) if match else ("", text)
    sides = [side.strip() for side in value[1:-1].split(",") if side.strip()]
    same = value[:1] == "(" and value[-1:] == ")" and len(set(sides)) == 1 and sides[0].isdecimal()
    return name, sides[0] if same else value


def _moved(growth: Growth) -> bool:
    """Whether the operating point is another; the first factor is the model's."""
    return any(factor.was != factor.now for factor in growth.factors[1:])


def _at(result: Result) -> str:
    point = result.comparison.point if result.comparison is not None else None
    return str(point) if point is not None else "the baseline's operating point"
