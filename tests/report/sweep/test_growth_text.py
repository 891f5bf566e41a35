"""How a line of a sweep's picture grows, in words."""

from __future__ import annotations

import pytest

from pytest_modelbudget.report.sweep.growth_text import growth_exponent, growth_text

MIB = 1 << 20


def test_exponents():
    assert growth_exponent([(1, 5), (2, 20), (4, 80)]) == pytest.approx(2)
    assert growth_exponent([(10, 3), (100, 3)]) == 0
    assert growth_exponent([(10, 3)]) is None
    assert growth_exponent([(10, 0), (20, 0)]) is None


@pytest.mark.parametrize(
    ("batches", "memory", "text"),
    [
        ((1, 2, 4, 8), lambda b: (223 + 3 * b) * MIB, "223 MiB + 3 MiB a sample"),
        ((1, 16), lambda b: (10 + b) * MIB, "10 MiB + 1 MiB a sample"),
        # 223 MiB until 196 + 3 * batch is above it, which is at batch 9
        ((1, 2, 4, 8, 16, 32), lambda b: max(223, 196 + 3 * b) * MIB, "223 MiB + 3 MiB a sample from batch 9"),
        ((1, 4, 9, 12), lambda b: max(223, 196 + 3 * b) * MIB, "223 MiB + 3 MiB a sample from batch 9"),
        ((1, 2, 4), lambda b: 7 * MIB, "7 MiB, whatever the batch"),
        ((1, 2, 4, 8), lambda b: b * b * MIB, "grows as batch^2.00"),
        ((4,), lambda b: b * MIB, "one point"),
    ],
)
def test_memory_is_a_floor_and_a_slope(batches, memory, text):
    assert growth_text([(b, memory(b)) for b in batches], "memory", "batch") == text


def test_memory_over_a_resolution_grows_by_the_pixel():
    points = [(side, 5 * MIB + 64 * side * side) for side in (32, 64, 128)]
    assert growth_text(points, "memory", "res") == "5 MiB + 64 B a pixel"
    kinked = [(side, max(5 * MIB, 4 * MIB + 64 * side * side)) for side in (32, 64, 256, 512, 1024)]
    assert growth_text(kinked, "memory", "res") == "5 MiB + 64 B a pixel from res 128"


def test_work_grows_with_a_power():
    assert growth_text([(1, 5), (2, 20), (4, 80)], "flops", "res") == "grows as res^2.00"
