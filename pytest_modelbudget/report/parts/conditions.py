"""What numbers hold for: operating point, convention, how they were obtained."""

from __future__ import annotations

from collections.abc import Iterable

from ...text.line import one_line
from ...values.cost import Cost
from ...values.metrics import show
from ...values.request import CONVENTIONS
from ...values.result import Result
from .measured import measured_text
from .prediction import predictions


def conditions(cost: Cost, module: str = "") -> str:
    """A line for the model (or its ``module``) with its operating point and convention, then a line for each note."""
    what = f"Module {one_line(module)!r} of {cost.model}" if module else cost.model
    lines = [f"{one_line(what)} at {cost.point}. {CONVENTIONS[cost.convention]}"]
    if cost.counter != "aten":
        lines[0] += f" Counted by {cost.counter}."
    lines += _ranks(cost) + predictions(cost)
    if cost.measured is not None:
        lines.append(measured_text(cost, cost.measured))
    idle = [cost.point.idle] if cost.point.idle else []
    return "\n".join([*lines, *idle, *(one_line(note) for note in cost.notes)])


def _ranks(cost: Cost) -> list[str]:
    """What of a sharded model is on the rank that was measured."""
    point, params = cost.point, cost.global_params
    if params is None:
        return []
    of = f"rank {point.rank or 0} of {point.world}" if point.world is not None else "one rank"
    return [f"Everything is of {of}, which holds {show(cost.params, 'params')} of {show(params, 'params')} parameters."]


def conventions(results: Iterable[Result]) -> list[str]:
    """The sentence for each convention that the results were counted in."""
    used = {result.cost.convention for result in results}
    return [sentence for name, sentence in CONVENTIONS.items() if name in used]
