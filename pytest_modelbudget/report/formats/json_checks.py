"""What the plain data of a report must be: checked strictly, by the types of the values that it is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from ...errors import UsageError
from ...judging.scaling import parse_scaling
from ...text import units
from ...text.checks import Wrong, a_count, a_list, a_record, a_text, an_object, one_of
from ...text.json import Place
from ...values.cost import Cost
from ...values.devices import find_device
from ...values.growth import Comparison, Growth, ModuleChange
from ...values.metrics import metric_names
from ...values.own_device import SUFFIX
from ...values.peak import KINDS, PHASES, Peak
from ...values.point import OperatingPoint, axis_names, is_dimension
from ...values.request import CONVENTIONS
from ...values.result import Result
from ...values.throughput import BOUNDS, LINK, Throughput
from ...values.verdict import Judged, Regressed, Remedy, Scaled, Verdict


def check(value: Any, kind: Any, place: Place) -> None:
    """Check plain data to be what ``to_dict`` of a value of the type ``kind`` gives. Raises `Wrong`."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return
    if origin is UnionType:  # something or None
        if value is not None:
            check(value, inner[0], place)
    elif kind is int:
        a_count(value, place)
    elif kind is str:
        any_text(value, place)
    elif kind is bool:
        if not isinstance(value, bool):
            raise Wrong("neither true nor false", place)
    elif origin in (tuple, list):
        for number, item in enumerate(a_list(value, place)):
            check(item, inner[0], (*place, number))
    elif is_dataclass(kind):
        _check_record(value, kind, place)
    else:
        for key, item in an_object(value, place).items():
            check(item, inner[1], (*place, key))


def any_text(value: Any, place: Place) -> str:
    """Any text: a file name that is not UTF-8 comes as halves of surrogate pairs, and is a name all the same."""
    return value if isinstance(value, str) else a_text(value, place)


def _check_record(value: Any, kind: Any, place: Place) -> None:
    types = shape(kind)
    sometimes = (*axis_names(always=False), "dims") if kind is OperatingPoint else ()
    a_record(value, place, [name for name in types if name not in sometimes], sometimes)
    for name, inner in types.items():
        if name not in value:
            continue
        here = (*place, name)
        check(value[name], inner, here)
        words = _WORDS.get((kind, name))
        if words is not None and isinstance(value[name], str):
            one_of(value[name], here, words)
    more = _MORE.get(kind)
    if more is not None:
        more(value, place)


@cache
def shape(kind: Any) -> dict[str, Any]:
    """The fields of a value as its ``to_dict`` writes them, and their types: `Any` is checked where it is read."""
    hints = get_type_hints(kind)
    found = {field.name: hints[field.name] for field in fields(kind)}
    if kind is Cost:
        found["modules"] = Any
        del found["lines"]
    if kind is Throughput:
        found["work"] = Any
    if kind is OperatingPoint:
        found["dims"] = dict[str, int]
    if kind is Verdict:
        found = {"passed": bool, "metrics": found.pop("judged"), **found}
    return found


_WORDS: dict[tuple[Any, str], Iterable[str]] = {
    (Cost, "convention"): CONVENTIONS,
    (Cost, "executed"): ("meta", "real"),
    (Peak, "phase"): PHASES,
    (Judged, "metric"): metric_names(),
    (Regressed, "metric"): metric_names(recorded=True),
    (Growth, "metric"): metric_names(recorded=True),
    (Scaled, "metric"): ("flops", "params"),
    (ModuleChange, "status"): ("added", "removed", "changed", "renamed"),
    (Comparison, "status"): ("new", "same", "changed", "not comparable"),
}
"""The words that a field of a value may be."""


def _point(data: dict[str, Any], place: Place) -> None:
    try:
        OperatingPoint.from_dict(data)
    except UsageError as error:
        raise Wrong(str(error).rstrip("."), place) from None


def _tolerance(data: dict[str, Any], place: Place) -> None:
    try:
        units.parse_percent(data["tolerance"], "tolerance")
    except UsageError as error:
        raise Wrong(str(error).rstrip("."), (*place, "tolerance")) from None


def _named_device(data: dict[str, Any], place: Place) -> None:
    a_record(data["bound"], (*place, "bound"), BOUNDS, (LINK,))
    if data["device"].endswith(SUFFIX):  # a calibration that this machine need not have
        return
    try:
        known = find_device(data["device"])
    except UsageError as error:
        raise Wrong(str(error).rstrip("."), (*place, "device")) from None
    if not known.has_speed:
        raise Wrong("a device whose speed is not known", (*place, "device"))


def _true_verdict(data: dict[str, Any], place: Place) -> None:
    for number, problem in enumerate(data["problems"]):
        if not problem:
            raise Wrong("an empty text where a sentence belongs", (*place, "problems", number))
    if Verdict.from_dict(data).passed is not data["passed"]:
        raise Wrong(f"{json.dumps(data['passed'])}, but the metrics say otherwise", (*place, "passed"))


def _peak(data: dict[str, Any], place: Place) -> None:
    a_record(data["kinds"], (*place, "kinds"), KINDS)
    a_record(data["phases"], (*place, "phases"), (), PHASES)


def _known_metrics(data: dict[str, Any], place: Place) -> None:
    if data["before"] is not None:
        a_record(data["before"], (*place, "before"), (), metric_names(recorded=True))


def _own_module(data: dict[str, Any], place: Place) -> None:
    if data["module"] and data["module"] not in {row["name"] for row in data["cost"]["modules"]}:
        raise Wrong("not one of the model's modules", (*place, "module"))


def _remedy(data: dict[str, Any], place: Place) -> None:
    _size(data["size"], (*place, "size"))


def _size(name: str, place: Place) -> None:
    if not is_dimension(name):
        one_of(name, place, axis_names(ordered=True))


def _exponent(data: dict[str, Any], place: Place) -> None:
    text, dimension = data["allowed"], data["dimension"]
    _size(dimension, (*place, "dimension"))
    try:
        known = parse_scaling({dimension: Decimal(text)}, [dimension])
    except (UsageError, ArithmeticError):
        known = {}
    if text not in known.values():
        raise Wrong(f"{json.dumps(text)} is not an exponent", (*place, "allowed"))


_MORE: dict[Any, Callable[[dict[str, Any], Place], None]] = {
    Peak: _peak,
    Remedy: _remedy,
    Scaled: _exponent,
    OperatingPoint: _point,
    Regressed: _tolerance,
    Throughput: _named_device,
    Verdict: _true_verdict,
    Comparison: _known_metrics,
    Result: _own_module,
}
"""What else must hold for a value, once each of its fields is right by itself."""
