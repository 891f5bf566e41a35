"""What ``modelbudget count`` prints: the totals, the modules, and a marker ready to paste."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..judging.judge import uncounted
from ..text.line import one_line, quoted
from ..text.tables import indented, plain_table
from ..values.cost import Cost
from ..values.input_tensor import InputTensor
from ..values.metrics import find_metric, metric_names, show, show_limit
from .parts.communication import communication_text
from .parts.conditions import conditions
from .parts.measured import prediction_error
from .parts.memory import memory_text


def count_text(cost: Cost, *, depth: int, code: str, given: Mapping[str, Any] | None = None) -> str:
    """The whole text of one count. ``code`` is how a test would name the factory.

    ``given`` are the arguments beside the operating point, ``args`` and ``inputs``, as far as there are any.
    """
    parts = [conditions(cost), _totals(cost), cost.table(depth)]
    parts += [text for text in (memory_text(cost), communication_text(cost)) if text]
    unknown = uncounted(cost)
    if unknown:
        parts.append(unknown)
    settings = [
        *(["budget_flops = torch"] if cost.convention == "torch" else []),
        *(["budget_counter = fvcore"] if cost.counter == "fvcore" else []),
        *(["budget_unknown_ops = warn"] if unknown else []),
    ]
    under = f" with {', '.join(settings)}" if settings else ""
    return "\n\n".join([*parts, f"A marker that passes at this cost{under}:", marker(cost, code, given or {})])


def _totals(cost: Cost) -> str:
    """Every metric; forward and backward apart; and, where the step was run for real, what that measured."""
    rows = []
    for metric in metric_names(on_request=False):
        value = cost.metric(metric)
        if value is None:
            continue
        rows.append([find_metric(metric).label, show(value, metric, unit=True), *_measured(cost, metric, value)])
        if metric == "flops" and cost.backward_flops:
            for name, part in (("  forward", cost.forward_flops), ("  backward", cost.backward_flops)):
                rows.append([indented(name), show(part, metric, unit=True)])
    measured = cost.measured
    if measured is None:
        return plain_table(rows, right=(1,))
    if cost.throughput is None:
        rows.append(["time of a step", "", show(measured.nanoseconds, "latency")])
    headers = ["", "predicted", f"measured on {one_line(measured.device)}", "error"]
    return plain_table([row + [""] * (4 - len(row)) for row in rows], headers, right=(1, 2, 3))


def _measured(cost: Cost, metric: str, value: int) -> list[str]:
    name = find_metric(metric).measured
    if cost.measured is None or not name:
        return []
    found = getattr(cost.measured, name)
    return [show(found, metric), prediction_error(value, found)]


def marker(cost: Cost, code: str, given: Mapping[str, Any]) -> str:
    """A budget at what the model costs now, rounded up so that it passes."""
    axes = [f"{name}={code}" for name, code in cost.point.code().items()]
    args = [f"args={_code(given['args'])}"] if given.get("args") else []
    arguments = [*args, *_limits(cost, metric_names(headline=True)), *axes, *_limits(cost, metric_names(estimate=True))]
    if "inputs" in given:
        inputs = given["inputs"]
        one = inputs[0] if isinstance(inputs, list) and len(inputs) == 1 else inputs
        arguments.append(f"inputs={_code(one)}")
    name = "".join(c if f"_{c}".isidentifier() else "_" for c in one_line(cost.model)).lower()
    return f"@budget(model={code}, {', '.join(arguments)})\ndef test_{name}_cost(): ..."


def _limits(cost: Cost, metrics: Sequence[str]) -> Iterator[str]:
    """The metrics as arguments of a marker. What was not measured, and work of which there is none, has no limit."""
    for metric in metrics:
        value = cost.metric(metric)
        if value is not None and (value or not find_metric(metric).compute):
            yield f'{metric}="{show_limit(value, metric)}"'


def _code(value: object, *, nested: bool = False) -> str:
    """A value as people write it; an input of no dtype as a shape, but for one that is nested in others."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, InputTensor):
        if value.dtype is None and value.sizes and not nested:
            return _code(value.sizes)
        dtype = f", dtype={quoted(value.dtype)}" if value.dtype is not None else ""
        return f"tensor({', '.join(map(_code, value.sizes))}{dtype})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_code(key)}: {_code(one, nested=True)}' for key, one in value.items())}}}"
    if isinstance(value, tuple):
        parts = [_code(one, nested=True) for one in value]
        return f"({', '.join(parts)}{',' if len(value) == 1 else ''})"
    return f"[{', '.join(map(_code, value))}]" if isinstance(value, list) else repr(value)
