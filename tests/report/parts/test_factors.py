"""Factors of growth: ratios that do not mislead, and what changed with each."""

from __future__ import annotations

from fractions import Fraction

import pytest
from report_samples import G

from pytest_modelbudget.report.parts.factors import factor_text, grown, times
from pytest_modelbudget.values.growth import Factor


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (Fraction(1), "1.00x"),
        (Fraction(4), "4.00x"),
        (Fraction(5, 4), "1.25x"),
        (Fraction(1, 3), "0.33x"),
        (Fraction(1004, 1000), "1.004x"),  # 1.00 would say that nothing changed
        (Fraction(999, 1000), "0.999x"),
        (Fraction(10**12 + 1, 10**12), "1.000000000001x"),
        (Fraction(10**12 - 1, 10**12), "0.999999999999x"),
        (Fraction(2001, 1000), "2.00x"),
        (Fraction(0), "0.00x"),
        (Fraction(1, 1000), "0.001x"),  # 0.00 would say that nothing is left
        (Fraction(1, 20), "0.05x"),
        (Fraction(512, 10000), "0.051x"),
        (Fraction(12345), "12345.00x"),
    ],
)
def test_ratio(ratio: Fraction, text: str) -> None:
    assert times(ratio) == text


@pytest.mark.parametrize(
    ("before", "after", "metric", "text"),
    [
        (4 * G, 16 * G, "flops", "4.00x"),
        (0, 8 * G, "flops", "0 -> 8 G"),  # no ratio says what came out of nothing
        (0, 2**30, "memory", "0 B -> 1 GiB"),
        (8 * G, 0, "flops", "0.00x"),
        (0, 0, "flops", "1.00x"),
    ],
)
def test_growth_of_a_metric(before: int, after: int, metric: str, text: str) -> None:
    assert grown(before, after, metric) == text


def test_a_factor_says_what_changed() -> None:
    assert factor_text(Factor("resolution", 4 * G, 16 * G, "224", "448"), "flops") == "resolution 4.00x (224 -> 448)"
    assert factor_text(Factor("architecture", 4 * G, 5 * G), "flops") == "architecture 1.25x"
