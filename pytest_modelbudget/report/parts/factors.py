"""Factors of growth as text: ratios that do not mislead, and what changed with each."""

from __future__ import annotations

from fractions import Fraction

from ...text.line import shown
from ...values.growth import Factor
from ...values.metrics import show


def times(ratio: Fraction) -> str:
    """Write a ratio as ``4.00x``: never ``1.00x`` nor ``0.00x`` unless it is exactly that."""
    for places in range(2, 31):
        scaled = round(ratio * 10**places)
        misleads = scaled == 10**places or scaled < 10  # one, or a single digit
        if not misleads or scaled == ratio * 10**places:
            break
    return f"{scaled // 10**places}.{scaled % 10**places:0{places}d}x"


def grown(before: int, after: int, metric: str) -> str:
    """``4.00x``; of what was nothing before, ``0 -> 8 G``."""
    if before or not after:
        return times(Fraction(after, before) if before else Fraction(1))
    return f"{show(0, metric)} -> {show(after, metric)}"


def factor_text(factor: Factor, metric: str) -> str:
    """``resolution 4.00x (224 -> 448)``."""
    return f"{shown(factor.name)} {grown(factor.before, factor.after, metric)}{became(factor)}"


def became(factor: Factor) -> str:
    """`` (224 -> 448)``: what a factor stands for, with a space before it; empty where nothing has another value."""
    return f" ({shown(factor.was)} -> {shown(factor.now)})" if factor.was != factor.now else ""
