"""Quantities as people write them: ``"4.2 GFLOPs"`` to an integer and back.

Counts use decimal prefixes (k, M, G, T, P); bytes take decimal (kB, MB) and binary (KiB, MiB) ones; times are in s,
ms, us and ns.
Everything `show` prints, `parse` reads.
"""

from __future__ import annotations

import math
import re
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal, InvalidOperation

from ..errors import UsageError

BYTE_METRICS = frozenset({"weights", "memory"})
TIME_METRICS = frozenset({"latency"})
"""Predicted, not counted; in nanoseconds."""

_NAMES = {
    "flops": ("FLOPs", "FLOP", "FLOPS"),
    "macs": ("MACs", "MAC", "MAdds", "MAdd"),
    "params": ("params", "param", "parameters"),
    "trainable_params": ("params", "param", "parameters"),
    "activations": ("activations", "acts", "elements"),
}
_DECIMAL = {"": 0, "k": 3, "K": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5}
_TIMES = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9}  # micro sign, Greek mu
_QUANTITY = re.compile(r"\s*([+-]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)\s*([A-Za-zµμ]*)\s*")
_LARGEST = Decimal(10) ** 27  # decimals are exact up to here


def parse(value: object, metric: str) -> int:
    """Read a limit for ``metric`` as an integer number of operations, elements, bytes or nanoseconds.

    ``value`` is a number or a text such as ``"4.2G"``, ``"4.2 GFLOPs"``, ``"26M"``, ``"512MiB"`` or ``"3ms"``, which
    needs its unit. A fraction of a unit is rounded down: a count is whole, so it keeps the limit's meaning.
    Raises `UsageError` for anything else, negative and non-finite numbers included.
    """
    number, unit = _split(value, metric)
    scale = _scale(unit, metric, value)
    if number < 0:
        raise UsageError(f"{metric}={value!r} is negative. A limit is zero or more.")
    if number > _LARGEST / scale:
        shown = value if isinstance(value, str) else f"{number:.3e}"  # Python refuses to write out a huge integer
        raise UsageError(f"{metric}={shown!r} is larger than anything that can be counted.")
    return int(number * scale)


def _split(value: object, metric: str) -> tuple[Decimal, str]:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise UsageError(
            f"{metric}={value!r} is a {type(value).__name__}. Write a number or a text such as {_example(metric)}."
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{metric}={value!r} is not a finite number. Leave the limit out to have none.")
    if not isinstance(value, str):
        return Decimal(value if isinstance(value, int) else str(value)), ""
    match = _QUANTITY.fullmatch(value)
    if match is None:
        raise UsageError(
            f"{metric}={value!r} is not a quantity. Write a number and a unit, such as {_example(metric)}."
        )
    try:
        return Decimal(match[1].replace("_", "")), match[2]
    except InvalidOperation:
        raise UsageError(
            f"{metric}={value!r} is not a quantity. Write a number and a unit, such as {_example(metric)}."
        ) from None


def _scale(unit: str, metric: str, value: object) -> Decimal:
    if metric in BYTE_METRICS:
        stem = unit[:-1]
        if unit == "" or unit == "B" or unit in ("byte", "bytes"):
            return Decimal(1)
        if unit.endswith("B") and stem in _BINARY:
            return Decimal(1024) ** _BINARY[stem]
        if unit.endswith("B") and stem in _DECIMAL:
            return Decimal(10) ** _DECIMAL[stem]
        raise UsageError(
            f"{metric}={value!r}: {unit!r} is not a unit of bytes. Allowed: B, kB, MB, GB, TB (powers of 1000) "
            f"and KiB, MiB, GiB, TiB (powers of 1024)."
        )
    if metric in TIME_METRICS:
        if unit in _TIMES:
            return Decimal(_TIMES[unit])
        found = f"{unit!r} is not a unit of time" if unit else "a time needs its unit"
        raise UsageError(f"{metric}={value!r}: {found}. Allowed: s, ms, us (or µs), ns, such as {_example(metric)}.")
    names = _NAMES[metric]
    if "params" in metric and unit == "B":  # "a 7B model"
        return Decimal(10) ** 9
    for name in ("", *names):
        if unit.lower().endswith(name.lower()) and unit[: len(unit) - len(name)] in _DECIMAL:
            return Decimal(10) ** _DECIMAL[unit[: len(unit) - len(name)]]
    raise UsageError(
        f"{metric}={value!r}: {unit!r} is not a unit of {metric}. Allowed: k, M, G, T, P, alone or before {names[0]!r}."
    )


def _example(metric: str) -> str:
    if metric in BYTE_METRICS:
        return '"512MiB" or "1.5 GB"'
    if metric in TIME_METRICS:
        return '"3ms" or "250 us"'
    return {"flops": '"4.2G" or "4.2 GFLOPs"', "macs": '"4.2G" or "4.2 GMACs"'}.get(metric, '"26M"')


def parse_percent(value: object, name: str) -> Decimal:
    """Read ``"1%"``, ``"0.5 %"`` or a number as percent. Raises `UsageError` for anything else, and below zero."""
    text = str(value).strip().removesuffix("%").strip()
    try:
        percent = Decimal(text) if not isinstance(value, bool) else Decimal("nan")
    except InvalidOperation:
        percent = Decimal("nan")
    if not percent.is_finite() or not 0 <= percent <= _LARGEST:
        raise UsageError(f'{name}={value!r} is not a percentage of zero or more, such as "1%" or 0.5.')
    return percent


def show(value: int, metric: str, *, digits: int = 3, unit: bool = False) -> str:
    """Write ``value`` with ``digits`` significant digits: ``4.11 G``, or ``4.11 GFLOPs`` with ``unit``."""
    return _write(value, metric, digits, unit, ROUND_HALF_EVEN)


def show_limit(value: int, metric: str, *, digits: int = 3) -> str:
    """Write the smallest limit of ``digits`` digits that ``value`` still passes: ``4.12G``."""
    return _write(value, metric, digits, False, ROUND_CEILING).replace(" ", "")


def show_apart(value: int, other: int, metric: str) -> tuple[str, str]:
    """Write two quantities with as many digits as it takes to tell them apart."""
    for digits in range(3, 30):
        pair = show(value, metric, digits=digits), show(other, metric, digits=digits)
        if value == other or pair[0] != pair[1]:
            return pair
    return str(value), str(other)


def share(part: int, whole: int) -> str:
    """Write ``part / whole`` in percent; never ``100 %`` unless it is exactly that."""
    if whole == 0:
        return "-"
    ratio = Decimal(part) * 100 / Decimal(whole)
    for places in range(12):
        text = f"{ratio:.{places}f}"
        if part == whole or Decimal(text) != 100:
            return f"{text} %"
    return "over 100 %" if part > whole else "under 100 %"


def change(now: int, before: int, *, beyond: Decimal = Decimal(0)) -> str:
    """Write the growth from ``before`` to ``now``: ``+291 %``; never ``+0 %`` when something changed.

    Nor what reads as ``beyond`` percent when it is not exactly that.
    """
    if before == 0:
        return "new" if now else "+0 %"
    ratio = (Decimal(now) - before) * 100 / Decimal(before)
    for places in (0, 1, 2, 4, 8, 16):
        text = f"{ratio:+.{places}f}"
        if now == before or Decimal(text) not in (0, beyond) or ratio == beyond:
            return f"{text} %"
    return "+0 %" if now == before else ("+0.0... %" if now > before else "-0.0... %")


def _write(value: int, metric: str, digits: int, unit: bool, rounding: str) -> str:
    base = 1024 if metric in BYTE_METRICS else 1000
    prefixes, suffix = _prefixes(metric, unit)
    power = 0
    while abs(value) >= base ** (power + 1) and power + 1 < len(prefixes):
        power += 1
    number = _round(Decimal(value) / Decimal(base) ** power, digits, rounding)
    if abs(number) >= base and power + 1 < len(prefixes):  # 999.96 M rounds up to 1.00 G
        power += 1
        number = _round(Decimal(value) / Decimal(base) ** power, digits, rounding)
    return f"{number} {prefixes[power]}{suffix}".rstrip()


def _prefixes(metric: str, unit: bool) -> tuple[tuple[str, ...], str]:
    """What stands before the unit, from small to large, and the unit."""
    if metric in BYTE_METRICS:
        return ("", "Ki", "Mi", "Gi", "Ti", "Pi"), "B"
    if metric in TIME_METRICS:
        return ("n", "u", "m", ""), "s"
    return ("", "k", "M", "G", "T", "P", "E"), _NAMES[metric][0] if unit and metric in ("flops", "macs") else ""


def label(metric: str) -> str:
    """A metric as sentences and tables name it: what is predicted says so."""
    return f"estimated {metric}" if metric in TIME_METRICS else metric


def _round(number: Decimal, digits: int, rounding: str) -> Decimal:
    if number == number.to_integral_value() and abs(number) < 1000:
        return number.to_integral_value()
    whole = len(str(int(abs(number))))
    rounded = number.quantize(Decimal(1).scaleb(-max(digits - whole, 0)), rounding=rounding)
    exact = rounded == number  # what was written as 4.2 is shown as 4.2, what was rounded keeps its digits
    return Decimal(f"{rounded.normalize():f}") if exact or rounded == rounded.to_integral_value() else rounded
