"""Quantities as people write them: ``"4.2 GFLOPs"`` to an integer and back, and shares and changes in percent.

Counts use decimal prefixes (k, M, G, T, P); bytes take decimal (kB, MB) and binary (KiB, MiB) ones; times are in s,
ms, us and ns. Everything `show` prints, `parse` reads.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal, InvalidOperation
from numbers import Integral, Real

from ..errors import UsageError

_QUANTITY = re.compile(r"\s*([+-]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)\s*([A-Za-zµμ]*)\s*")
_LARGEST = Decimal(10) ** 27  # decimals are exact up to here
_DECIMAL = {"": 0, "k": 3, "K": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5}
_TIMES = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9}  # micro sign, Greek mu


@dataclass(frozen=True)
class Unit:
    """What a quantity is counted in, and how it is read and written.

    ``name`` is that of the base unit, empty for plain counts, and ``of`` what it measures. ``scales`` are the units
    read as they are; ``words`` may follow one of ``prefixes``, in any case (``GFLOPs``). ``allowed`` and ``example``
    are for messages. A quantity is written with one of ``steps``, each ``base`` times the one before, and ``suffix``,
    or ``long`` where the whole unit is asked for.
    """

    name: str
    of: str
    scales: Mapping[str, Decimal]
    allowed: str
    example: str
    steps: tuple[str, ...]
    base: int = 1000
    suffix: str = ""
    long: str = ""
    prefixes: Mapping[str, Decimal] = field(default_factory=dict)
    words: tuple[str, ...] = ()

    def scale(self, text: str) -> Decimal | None:
        """How much one of the unit ``text`` is, ``None`` for what is no such unit."""
        if text in self.scales:
            return self.scales[text]
        for word in self.words:
            if text.lower().endswith(word.lower()) and text[: len(text) - len(word)] in self.prefixes:
                return self.prefixes[text[: len(text) - len(word)]]
        return None


def counts(*words: str, example: str = '"26M"', long: bool = False, billions: str = "") -> Unit:
    """The unit of whole things that ``words`` name, such as operations.

    ``long`` writes the first of the words where the whole unit is asked for; ``billions`` is one more way to say G.
    """
    prefixes = {prefix: Decimal(10) ** power for prefix, power in _DECIMAL.items()}
    return Unit(
        name="",
        of="",
        scales=prefixes | ({billions: Decimal(10) ** 9} if billions else {}),
        allowed=f"k, M, G, T, P, alone or before {words[0]!r}",
        example=example,
        steps=("", "k", "M", "G", "T", "P", "E"),
        long=words[0] if long else "",
        prefixes=prefixes,
        words=words,
    )


BYTES = Unit(
    name="bytes",
    of="bytes",
    scales={
        **dict.fromkeys(("", "byte", "bytes"), Decimal(1)),
        **{f"{prefix}B": Decimal(10) ** power for prefix, power in _DECIMAL.items()},
        **{f"{prefix}B": Decimal(1024) ** power for prefix, power in _BINARY.items()},
    },
    allowed="B, kB, MB, GB, TB (powers of 1000) and KiB, MiB, GiB, TiB (powers of 1024)",
    example='"512MiB" or "1.5 GB"',
    steps=("", "Ki", "Mi", "Gi", "Ti", "Pi"),
    base=1024,
    suffix="B",
)
NANOSECONDS = Unit(
    name="nanoseconds",
    of="time",
    scales={unit: Decimal(scale) for unit, scale in _TIMES.items()},
    allowed='s, ms, us (or µs), ns, such as "3ms" or "250 us"',
    example='"3ms" or "250 us"',
    steps=("n", "u", "m", ""),
    suffix="s",
)


def parse(value: object, unit: Unit, name: str) -> int:
    """Read a quantity as an integer number of ``unit``; ``name`` is what messages call it.

    ``value`` is a number or a text such as ``"4.2G"``, ``"4.2 GFLOPs"``, ``"26M"``, ``"512MiB"`` or ``"3ms"``; a time
    needs its unit. A fraction of a unit is rounded down: a count is whole, so it keeps the limit's meaning.
    Raises `UsageError` for anything else, negative and non-finite numbers included.
    """
    number, text = _split(value, unit, name)
    scale = unit.scale(text)
    if scale is None:
        found = f"{text!r} is not a unit of {unit.of or name}" if text else f"a {unit.of} needs its unit"
        raise UsageError(f"{name}={value!r}: {found}. Allowed: {unit.allowed}.")
    if number < 0:
        raise UsageError(f"{name}={value!r} is negative. A limit is zero or more.")
    if number > _LARGEST / scale:
        shown = value if isinstance(value, str) else f"{number:.3e}"  # Python refuses to write out a huge integer
        raise UsageError(f"{name}={shown!r} is larger than anything that can be counted.")
    return int(number * scale)


def _split(value: object, unit: Unit, name: str) -> tuple[Decimal, str]:
    if isinstance(value, Integral):
        value = int(value) if not isinstance(value, bool) else value  # those of NumPy are whole numbers, too
    elif isinstance(value, Real):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise UsageError(
            f"{name}={value!r} is a {type(value).__name__}. Write a number or a text such as {unit.example}."
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{name}={value!r} is not a finite number. Leave the limit out to have none.")
    if not isinstance(value, str):
        return Decimal(value if isinstance(value, int) else str(value)), ""
    wrong = f"{name}={value!r} is not a quantity. Write a number and a unit, such as {unit.example}."
    match = _QUANTITY.fullmatch(value)
    if match is None:
        raise UsageError(wrong)
    try:
        return Decimal(match[1].replace("_", "")), match[2]
    except InvalidOperation:
        raise UsageError(wrong) from None


def parse_percent(value: object, name: str) -> Decimal:
    """Read ``"1%"``, ``"0.5 %"`` or a number as percent.

    Raises `UsageError` for anything else, below zero, and for a number that may be a fraction: 0.05 is 5 % to some.
    """
    text = str(value).strip().removesuffix("%").strip()
    try:
        percent = Decimal(text) if not isinstance(value, bool) else Decimal("nan")
    except InvalidOperation:
        percent = Decimal("nan")
    if not percent.is_finite() or not 0 <= percent <= _LARGEST:
        raise UsageError(f'{name}={value!r} is not a percentage of zero or more, such as "1%" or 2.')
    if not isinstance(value, str) and 0 < percent < 1:
        raise UsageError(
            f"{name}={value!r} may be meant as {percent:f} % or as {(percent * 100).normalize():f} %. "
            f'Write {name}="{percent:f}%" or {name}="{(percent * 100).normalize():f}%".'
        )
    return percent


def show(value: int, unit: Unit, *, digits: int = 3, long: bool = False) -> str:
    """Write ``value`` with ``digits`` significant digits: ``4.11 G``, or ``4.11 GFLOPs`` if ``long``."""
    return _write(value, unit, digits, long, ROUND_HALF_EVEN)


def show_limit(value: int, unit: Unit, *, digits: int = 3) -> str:
    """Write the smallest limit of ``digits`` digits that ``value`` still passes: ``4.12G``."""
    return _write(value, unit, digits, False, ROUND_CEILING).replace(" ", "")


def with_headroom(value: int, unit: Unit, percent: Decimal) -> str:
    """Write a limit of ``percent`` above ``value``, rounded up to three digits as people write them: ``4.2G``.

    `parse` reads what is ``value`` or more.
    """
    exact = value * (1 + percent / 100)
    whole = exact if exact >= unit.base else exact.to_integral_value(ROUND_CEILING)  # there is no part of a FLOP
    text = _write(whole, unit, 3, False, ROUND_CEILING)
    number, _, step = text.partition(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number}{step}"


def show_apart(value: int, other: int, unit: Unit) -> tuple[str, str]:
    """Write two quantities with as many digits as it takes to tell them apart."""
    for digits in range(3, 30):
        pair = show(value, unit, digits=digits), show(other, unit, digits=digits)
        if value == other or pair[0] != pair[1]:
            return pair
    return str(value), str(other)


def _write(value: int | Decimal, unit: Unit, digits: int, long: bool, rounding: str) -> str:
    base, steps, power = unit.base, unit.steps, 0
    while abs(value) >= base ** (power + 1) and power + 1 < len(steps):
        power += 1
    number = _round(Decimal(value) / Decimal(base) ** power, digits, rounding)
    if abs(number) >= base and power + 1 < len(steps):  # 999.96 M rounds up to 1.00 G
        power += 1
        number = _round(Decimal(value) / Decimal(base) ** power, digits, rounding)
    return f"{number} {steps[power]}{unit.long if long and unit.long else unit.suffix}".rstrip()


def _round(number: Decimal, digits: int, rounding: str) -> Decimal:
    if number == number.to_integral_value() and abs(number) < 1000:
        return number.to_integral_value()
    whole = len(str(int(abs(number))))
    rounded = number.quantize(Decimal(1).scaleb(-max(digits - whole, 0)), rounding=rounding)
    exact = rounded == number  # what was written as 4.2 is shown as 4.2, what was rounded keeps its digits
    return Decimal(f"{rounded.normalize():f}") if exact or rounded == rounded.to_integral_value() else rounded


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


def per_second(rate: float) -> str:
    """How often a second, with three digits: ``0.0412``, ``7.3``, ``401``, ``8950``, ``34400``."""
    three = float(f"{rate:.3g}")
    return f"{three:.0f}" if three >= 100 else f"{three:.3g}"
