"""The one parser of axes: ``1,2,4``, ``480x640`` and ``128:512:32`` read into values, once, strictly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import UsageError
from ..values.kinds import Kind, Resolution, Whole
from ..values.point import Axis, find_axis

MOST = 10_000
"""Values on one axis, and points in one grid: more is taken for a slip of the pen."""


def axis_values(name: str, value: Any) -> tuple[Any, ...]:
    """The values of an axis, in the order given, each once. ``None`` alone if there is none.

    One value, an iterable of them, or text: values with commas and, of an ordered axis, ranges ``start:stop`` or
    ``start:stop:step``, which include their end. For ``res`` a tuple of two is one picture, (height, width), as it is
    for `measure`. Raises `UsageError` for what is no such value, and for an axis without any.
    """
    axis = find_axis(name)
    if value is None:
        return (None,)
    if isinstance(value, Mapping) or (isinstance(value, str) and axis.kind.is_one_text):
        found: list[Any] = [value]
    elif isinstance(value, str):
        found = [item for part in value.split(",") for item in _part(axis, part.strip(), value)]
    elif isinstance(value, int) or (isinstance(axis.kind, Resolution) and isinstance(value, tuple)):
        found = [value]
    elif isinstance(value, Iterable):
        found = list(value)
    elif axis.ordered:
        raise UsageError(f"{name}={value!r} is no axis. Write {_forms(axis)}.")
    else:
        found = [value]
    if None in found:
        raise UsageError(f"{name}={value!r}: None is not a value of an axis. Leave {name} out to have none.")
    if not found:
        raise UsageError(f"{name}={value!r} is empty: there is nothing to count. Write {_forms(axis)}.")
    _check_number(name, value, len(found))
    return tuple(dict.fromkeys(axis.kind.parse(name, item) for item in found))


def one_value(name: str, value: Any) -> Any:
    """The value of an axis where only one is looked at, from what `axis_values` reads. Raises `UsageError`."""
    found = axis_values(name, value)
    if len(found) > 1:
        raise UsageError(f"{name}={value!r} has {len(found)} values, and one is looked at here. A sweep takes several.")
    return found[0]


def _forms(axis: Axis) -> str:
    return f"{axis.example}{' (from, to and with the end, step)' if axis.ordered else ''}"


def _check_number(name: str, value: Any, number: int) -> None:
    if number > MOST:
        raise UsageError(f"{name}={value!r} has {number} values. At most {MOST} are counted.")


def _part(axis: Axis, text: str, whole: str) -> list[Any]:
    """One value or one range."""
    if not (axis.ordered and ":" in text):
        return [_value(axis, axis.kind, text, whole)]
    name = axis.name
    ends = [_value(axis, Whole(), end.strip(), whole) for end in text.split(":")]
    if len(ends) > 3:
        raise UsageError(f"{name}={whole!r} is no axis. Write {_forms(axis)}.")
    start, stop, step = ends if len(ends) == 3 else (*ends, 1)
    if step < 1:
        raise UsageError(f"{name}={whole!r}: the step of a range is a whole number above zero.")
    if start < 1:
        raise UsageError(f"{name}={whole!r}: a range begins above zero.")
    if stop < start:
        raise UsageError(f"{name}={whole!r} is empty: {start} is above {stop}. Write {_forms(axis)}.")
    _check_number(name, whole, (stop - start) // step + 1)
    return list(range(start, stop + 1, step))


def _value(axis: Axis, kind: Kind, text: str, whole: str) -> Any:
    try:
        return kind.of_text(text)
    except ValueError as error:
        raise UsageError(f"{axis.name}={whole!r}: {error}. Write {_forms(axis)}.") from None
