"""The judgement, pure: a cost and its limits in, a verdict out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction

from ..values.cost import Cost
from ..values.growth import Comparison
from ..values.metrics import all_metrics, find_metric, metric_names, show_limit
from ..values.verdict import Judged, Regressed, Scaled, Verdict


def judge(
    cost: Cost,
    limits: Mapping[str, int],
    *,
    module: str = "",
    unknown_ops: str = "error",
    comparison: Comparison | None = None,
    tolerance: Decimal | None = None,
    recording: bool = False,
    scaling: tuple[Scaled, ...] = (),
    problems: Iterable[str] = (),
    warnings: Iterable[str] = (),
    missed: str = "",
) -> Verdict:
    """Judge a cost, or that of its submodule ``module``, by its limits and by its baseline.

    Without limits a cost is judged by its baseline, with a tolerance of 0 %; with limits only if a ``tolerance``
    (percent) is given. A budget that measured nothing fails: neither limits nor a baseline to compare with,
    FLOPs of zero under a limit on compute, or, with ``unknown_ops="error"``, operators that nobody can count.
    ``recording`` a baseline, limits alone judge, and there may be none. ``scaling`` is how it grows, beside what is
    allowed, ``problems`` what kept that from being measured, ``warnings`` what else to say. ``missed`` says which
    baseline was looked for, and is not there. Raises `UsageError` for an unknown ``module``.
    """
    seen = look(cost, limits, module=module, unknown_ops=unknown_ops)
    judged = tuple(Judged(j.metric, j.used, limits.get(j.metric)) for j in seen.judged)
    problems = list(problems)
    by_baseline = not recording and (not (limits or scaling) or tolerance is not None)
    regressed = _regressed(judged, comparison, tolerance or Decimal(0)) if by_baseline else ()
    if by_baseline and comparison is not None and comparison.status == "not comparable":
        problems.append(
            "not comparable with its baseline\n"  # the report says why
            "Accept the numbers of this run with: pytest --budget-update"
        )
    if (
        not limits
        and not scaling
        and not problems
        and not recording
        and (comparison is None or comparison.status == "new")
    ):
        telling = metric_names(headline=True, always=True)
        now = ", ".join(f'{j.metric}="{show_limit(j.used, j.metric)}"' for j in judged if j.metric in telling)
        problems.append(
            "no limits and no baseline: this budget could never fail.\n"
            f"Record a baseline with pytest --budget-update, or add limits; what it costs now passes {now}."
            + (f"\n{missed}." if missed else "")
        )
    missing = [metric for metric in limits if cost.metric(metric, module) is None]
    problems += [
        f"measured nothing: {metric}: {why}." for metric in missing if (why := find_metric(metric).why_missing)
    ]
    missing = [metric for metric in missing if not find_metric(metric).why_missing]
    if missing:
        problems.append(
            f"measured nothing: the counter {cost.counter!r} does not know {', '.join(missing)}, "
            "so this limit could never fail.\nLeave the limit out, or count with budget_counter = aten."
        )
    zero = [j.metric for j in judged if find_metric(j.metric).compute and j.limit is not None and j.used == 0]
    if zero:
        where = f"module {module!r}" if module else "the model"
        problems.append(
            f"measured nothing: {', '.join(zero)} of {where} came to 0, so this limit could never fail.\n"
            "Check that forward runs what is meant to be measured, or limit something that is there, such as params=."
        )
    return Verdict(judged, (*seen.problems, *problems), (*seen.warnings, *warnings), regressed, scaling)


def _regressed(judged: Iterable[Judged], comparison: Comparison | None, tolerance: Decimal) -> tuple[Regressed, ...]:
    """The metrics that exceed their baseline by more than ``tolerance`` percent, in exact arithmetic."""
    if comparison is None or comparison.status != "changed" or comparison.before is None:
        return ()
    allowed = 1 + Fraction(tolerance) / 100
    pairs = [(j, comparison.before[j.metric]) for j in judged if j.metric in comparison.before]
    return tuple(Regressed(j.metric, j.used, was, f"{tolerance:f}") for j, was in pairs if j.used > was * allowed)


def look(
    cost: Cost, limits: Mapping[str, int] | None = None, *, module: str = "", unknown_ops: str = "error"
) -> Verdict:
    """A verdict without limits: the numbers, and whether everything behind them was counted.

    Metrics that are reported only on request are there if they are among ``limits``.
    """
    judged = []
    for metric in all_metrics():
        wanted = not metric.on_request or metric.name in (limits or ())
        used = cost.metric(metric.name, module) if wanted else None
        if used is not None:
            judged.append(Judged(metric.name, used, None))
    unknown = uncounted(cost, module)
    return Verdict(
        tuple(judged),
        problems=(unknown,) if unknown and unknown_ops == "error" else (),
        warnings=(unknown,) if unknown and unknown_ops != "error" else (),
    )


def uncounted(cost: Cost, module: str = "") -> str:
    """What could not be counted, by operator and module, with the remedy; empty if everything was.

    A name of more than one word is no operator, but work that no operator shows.
    """
    lines, operators = [], 0
    for name, calls in sorted(cost.uncounted.items()):
        anywhere = where = cost.uncounted_in.get(name, ())
        if module:
            where = tuple(w for w in anywhere if w == module or w.startswith(module + "."))
            if not where:
                continue
        shown = ", ".join(w or "the model itself" for w in where[:3]) + (
            f" and {len(where) - 3} more" if len(where) > 3 else ""
        )
        rest = "," if where == anywhere else " of the model, some"
        lines.append(f"    {name}: {calls} call{'s' if calls != 1 else ''}{rest} in {shown}")
        operators += " " not in name
    if not lines:
        return ""
    have = f"{operators} operator{'s have' if operators > 1 else ' has'} no formula"
    what = [have] if operators else []
    remedies = ["teach it with torch.utils.flop_counter.register_flop_formula"] if operators else []
    if operators < len(lines):
        what.append("work is done where it cannot be seen")
        remedies.append("do that work by PyTorch's operators in the model's own threads")
    remedy = "; ".join(remedies)
    return "\n".join(
        [
            f"not counted: {', and '.join(what)}, so the numbers are too low",
            *lines,
            f"{remedy[0].upper()}{remedy[1:]}, or set budget_unknown_ops = warn.",
        ]
    )
