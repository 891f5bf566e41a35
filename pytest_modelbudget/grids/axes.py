"""The axes of a grid: ``1,2,4`` and ``128:512:32`` read into values, once, strictly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import UsageError
from ..values.point import operating_point

MOST = 10_000
"""Values on one axis, and points in one grid: more is taken for a slip of the pen."""

_FORMS = {
    "batch": "8, 1,2,4 or 1:64:8 (from, to and with the end, step)",
    "res": "224, 128,256, 480x640 or 128:512:32 (from, to and with the end, step)",
    "seq": "128, 128,256 or 128:1024:128 (from, to and with the end, step)",
}


def axis(name: str, value: Any) -> tuple[Any, ...]:
    """The values of ``batch``, ``res`` or ``seq``, in the order given, each once. ``None`` alone if there is none.

    One value, an iterable of them, or text: values with commas, and ranges ``start:stop`` or ``start:stop:step``,
    which include their end. For ``res`` a tuple of two is one picture, (height, width), as it is for `measure`.
    Raises `UsageError` for what is no such value, and for an axis without any.
    """
    if value is None:
        return (None,)
    if isinstance(value, str):
        found = [item for part in value.split(",") for item in _part(name, part.strip(), value)]
    elif isinstance(value, int) or (name == "res" and isinstance(value, tuple)):
        found = [value]
    elif isinstance(value, Iterable):
        found = list(value)
    else:
        raise UsageError(f"{name}={value!r} is no axis. Write {_FORMS[name]}.")
    checked = [getattr(operating_point(**{name: item}), name) for item in found]
    if None in checked:
        raise UsageError(f"{name}={value!r}: None is not a value of an axis. Leave {name} out to have none.")
    return _some(name, value, checked)


def choices(name: str, value: Any) -> tuple[Any, ...]:
    """The values of ``dtype`` or ``mode``: one, several, or text with commas. Raises `UsageError`."""
    if value is None:
        return (None,)
    if isinstance(value, str):
        found: list[Any] = [part.strip() for part in value.split(",")]
    else:
        found = list(value) if isinstance(value, Iterable) else [value]
    checked = [getattr(operating_point(**{name: item}), name) for item in found]
    return _some(name, value, checked)


def _some(name: str, value: Any, found: list[Any]) -> tuple[Any, ...]:
    if not found:
        raise UsageError(f"{name}={value!r} is empty: there is nothing to count. Write {_FORMS.get(name, 'a value')}.")
    if len(found) > MOST:
        raise UsageError(f"{name}={value!r} has {len(found)} values. At most {MOST} are counted.")
    return tuple(dict.fromkeys(found))


def _part(name: str, text: str, whole: str) -> list[Any]:
    """One value or one range."""
    if ":" in text:
        ends = [_number(name, end, whole) for end in text.split(":")]
        if len(ends) > 3:
            raise UsageError(f"{name}={whole!r} is no axis. Write {_FORMS[name]}.")
        start, stop, step = ends if len(ends) == 3 else (*ends, 1)
        if step < 1:
            raise UsageError(f"{name}={whole!r}: the step of a range is a whole number above zero.")
        if start < 1:
            raise UsageError(f"{name}={whole!r}: a range begins above zero.")
        if stop < start:
            raise UsageError(f"{name}={whole!r} is empty: {start} is above {stop}. Write {_FORMS[name]}.")
        if (stop - start) // step >= MOST:
            raise UsageError(f"{name}={whole!r} has {(stop - start) // step + 1} values. At most {MOST} are counted.")
        return list(range(start, stop + 1, step))
    if name == "res" and text.lower().count("x") == 1:
        height, width = text.lower().split("x")
        return [(_number(name, height, whole), _number(name, width, whole))]
    return [_number(name, text, whole)]


def _number(name: str, text: str, whole: str) -> int:
    text = text.strip()
    if not text.removeprefix("-").isdecimal():
        raise UsageError(f"{name}={whole!r}: {text!r} is not a whole number. Write {_FORMS[name]}.")
    return int(text)
