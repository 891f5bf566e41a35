"""Quantities: what is read, what is refused, and that whatever is written can be read back."""

from __future__ import annotations

from decimal import Decimal

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_modelbudget.errors import UsageError
from pytest_modelbudget.text.units import BYTES, change, parse_percent, share
from pytest_modelbudget.values.metrics import find_metric, metric_names, parse_limit, show, show_apart, show_limit

LARGEST = 10**24
quantities = st.one_of(
    st.integers(0, 10**6),
    st.integers(0, LARGEST),
    st.builds(
        lambda base, power, off: max(base**power + off, 0),
        st.sampled_from([1000, 1024]),
        st.integers(0, 6),
        st.integers(-9, 9),
    ),
    st.builds(
        lambda head, zeros, off: head * 10**zeros + off, st.integers(1, 1000), st.integers(0, 20), st.integers(0, 9)
    ),
)
metrics = st.sampled_from(metric_names(recorded=True))


@pytest.mark.parametrize(
    ("metric", "text", "value"),
    [
        ("flops", 0, 0),
        ("flops", 4_200_000_000, 4_200_000_000),
        ("flops", 4.2e9, 4_200_000_000),
        ("flops", 0.1 + 0.2, 0),
        ("flops", "0", 0),
        ("flops", "4200000000", 4_200_000_000),
        ("flops", "4_200_000_000", 4_200_000_000),
        ("flops", "4.2e9", 4_200_000_000),
        ("flops", "4.2G", 4_200_000_000),
        ("flops", "4.2 G", 4_200_000_000),
        ("flops", "  4.2  G  ", 4_200_000_000),
        ("flops", "+4.2G", 4_200_000_000),
        ("flops", ".5G", 500_000_000),
        ("flops", "4.G", 4_000_000_000),
        ("flops", "4.2 GFLOPs", 4_200_000_000),
        ("flops", "4.2GFLOPS", 4_200_000_000),
        ("flops", "4.2 GFLOP", 4_200_000_000),
        ("flops", "4.2 Gflops", 4_200_000_000),
        ("flops", "12 FLOPs", 12),
        ("flops", "1k", 1_000),
        ("flops", "1K", 1_000),
        ("flops", "1M", 10**6),
        ("flops", "1T", 10**12),
        ("flops", "1P", 10**15),
        ("flops", "1E", 10**18),
        ("flops", "1.9999 k", 1_999),
        ("flops", "1.2345678901234567890123 E", 1_234_567_890_123_456_789),
        ("macs", "4.1 GMACs", 4_100_000_000),
        ("macs", "4.1 GMAC", 4_100_000_000),
        ("macs", "4.1 GMAdds", 4_100_000_000),
        ("params", "26M", 26_000_000),
        ("params", "26 M params", None),
        ("params", "26 Mparams", 26_000_000),
        ("params", "7B", 7_000_000_000),
        ("trainable_params", "7B", 7_000_000_000),
        ("activations", "11.1M", 11_100_000),
        ("weights", "512", 512),
        ("weights", "512 B", 512),
        ("weights", "512 bytes", 512),
        ("weights", "512MiB", 512 * 1024**2),
        ("weights", "1.5 GB", 1_500_000_000),
        ("weights", "1 kB", 1_000),
        ("weights", "1 KB", 1_000),
        ("weights", "1 KiB", 1_024),
        ("weights", "1 TiB", 1024**4),
        ("memory", "1 PiB", 1024**5),
        ("memory", "0.5 KiB", 512),
        ("flops", 10**27 - 1, 10**27 - 1),
        # refused
        ("flops", "", None),
        ("flops", "G", None),
        ("flops", ".", None),
        ("flops", "-1", None),
        ("flops", -1, None),
        ("flops", -0.1, None),
        ("flops", "4,2G", None),
        ("flops", "1,000", None),
        ("flops", "4.2 G FLOPs", None),
        ("flops", "4.2.1G", None),
        ("flops", "4.2X", None),
        ("flops", "4.2g", None),
        ("flops", "4.2m", None),
        ("flops", "4.2 GB", None),
        ("flops", "4.2 GMACs", None),
        ("flops", "4.2 GFLOPs/s", None),
        ("flops", "0x10", None),
        ("flops", "1e", None),
        ("flops", "nan", None),
        ("flops", "inf", None),
        ("flops", float("nan"), None),
        ("flops", float("inf"), None),
        ("flops", True, None),
        ("flops", False, None),
        ("flops", None, None),
        ("flops", [1], None),
        ("flops", (1,), None),
        ("flops", b"1G", None),
        ("flops", 1j, None),
        ("flops", Decimal(1), None),
        ("flops", "1.1e27", None),
        ("flops", 10**27 + 1, None),
        ("flops", 10**5000, None),
        ("flops", "1e1000000000000", None),
        ("flops", "1" * 10_000, None),
        ("macs", "4.2 GFLOPs", None),
        ("params", "26 GB", None),
        ("params", "26 MiB", None),
        ("weights", "512M", None),
        ("weights", "512 Mb", None),
        ("weights", "512 MIB", None),
        ("weights", "1.5 GFLOPs", None),
        ("memory", "1 EiB", None),
    ],
    ids=lambda value: str(value)[:30] if not isinstance(value, int) or abs(value) < 10**30 else "huge",
)
def test_parse(metric, text, value):
    """The last column is the value, or ``None`` where the text is refused, by a message that names the argument."""
    if value is None:
        with pytest.raises(UsageError, match=f"^{metric}="):
            parse_limit(text, metric)
    else:
        assert parse_limit(text, metric) == value


@pytest.mark.parametrize(
    ("value", "percent"),
    [
        ("1%", "1"),
        ("0.5 %", "0.5"),
        (" 2 ", "2"),
        (3, "3"),
        (1.5, "1.5"),
        ("0.05", "0.05"),
        (0, "0"),
        ("0", "0"),
        ("1e1%", "10"),
    ]
    + [(bad, None) for bad in ("", "%", "one", "-1%", -1, "nan", "inf", True, None, [1], "1 %%", "1e99", 0.05, 0.999)],
)
def test_parse_percent(value, percent):
    if percent is None:
        with pytest.raises(UsageError, match=r"^tolerance="):
            parse_percent(value, "tolerance")
    else:
        assert parse_percent(value, "tolerance") == Decimal(percent)


def test_a_number_that_may_be_a_fraction_is_asked_about():
    with pytest.raises(UsageError, match=r'0\.05 may be meant as 0\.05 % or as 5 %\. Write tolerance="0\.05%" or'):
        parse_percent(0.05, "tolerance")


@pytest.mark.parametrize("kind", [numpy.int8, numpy.uint64, numpy.float32, numpy.float64])
def test_numbers_of_numpy_are_limits(kind):
    assert parse_limit(kind(7), "params") == 7


@pytest.mark.parametrize(
    ("value", "metric", "shown", "limit"),
    [
        (0, "flops", "0", "0"),
        (7, "flops", "7", "7"),
        (999, "flops", "999", "999"),
        (1_000, "flops", "1 k", "1k"),
        (1_001, "flops", "1 k", "1.01k"),
        (4_200_000_000, "flops", "4.2 G", "4.2G"),
        (4_111_514_624, "flops", "4.11 G", "4.12G"),
        (4_199_999_999, "flops", "4.20 G", "4.20G"),
        (999_499, "flops", "999 k", "1M"),
        (999_500, "flops", "1 M", "1M"),
        (25_557_032, "params", "25.6 M", "25.6M"),
        (102_441_032, "activations", "102 M", "103M"),
        (1_023, "weights", "1023 B", "1023B"),
        (1_024, "weights", "1 KiB", "1KiB"),
        (1_047_552, "weights", "1023 KiB", "1023KiB"),
        (1_048_575, "weights", "1 MiB", "1MiB"),
        (102_228_128, "weights", "97.5 MiB", "97.5MiB"),
    ],
)
def test_show(value, metric, shown, limit):
    """Three digits, as few as say it; a limit is rounded up."""
    assert show(value, metric) == shown
    assert show_limit(value, metric) == limit


def test_show_with_unit():
    assert show(4_111_514_624, "flops", unit=True) == "4.11 GFLOPs"
    assert show(12, "macs", unit=True) == "12 MACs"
    assert show(12, "params", unit=True) == "12"
    assert show(2048, "weights", unit=True) == "2 KiB"


@given(quantities, metrics, st.booleans())
def test_what_is_shown_can_be_pasted_back(value, metric, unit):
    """Three digits are at most half of the third one's unit away, half a percent; bytes are rounded down to whole."""
    back = parse_limit(show(value, metric, unit=unit), metric)
    assert abs(back - value) * 200 <= value + (200 if find_metric(metric).unit is BYTES else 0)
    assert back == value or value >= 1000


@given(quantities, metrics)
def test_a_shown_limit_passes_and_is_tight(value, metric):
    """Less than a unit of the third digit above, which is one percent."""
    limit = parse_limit(show_limit(value, metric), metric)
    assert limit - value >= 0
    assert (limit - value) * 100 <= value


@given(quantities, quantities, metrics)
def test_larger_is_never_shown_as_smaller(one, other, metric):
    small, large = sorted((one, other))
    assert parse_limit(show(small, metric), metric) <= parse_limit(show(large, metric), metric)


@given(quantities, st.one_of(quantities, st.integers(-3, 3)), metrics)
def test_two_quantities_are_told_apart(value, other, metric):
    """Also neighbours; and the larger one stays the larger."""
    other = max(value + other, 0) if abs(other) <= 3 else other
    one_text, other_text = show_apart(value, other, metric)
    assert (one_text == other_text) == (value == other)
    small, large = sorted([(value, one_text), (other, other_text)])
    assert parse_limit(small[1], metric) <= parse_limit(large[1], metric)


@given(quantities, st.one_of(quantities, st.integers(-3, 3)))
def test_a_share_is_100_percent_only_if_it_is_all(part, other):
    whole = max(part + other, 1) if abs(other) <= 3 else other
    text = share(part, whole)
    assert (text == "100 %") == (part == whole)
    number = text.removesuffix(" %").replace("under 100", "99").replace("over 100", "101")
    assert (Decimal(number) > 100) == (part > whole)


@given(quantities, st.one_of(quantities, st.integers(-3, 3)))
def test_a_change_is_0_percent_only_if_nothing_changed(now, other):
    before = max(now + other, 1) if abs(other) <= 3 else max(other, 1)
    text = change(now, before)
    assert (text == "+0 %") == (now == before)
    assert text[0] == ("-" if now < before else "+")


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 5, "0 %"),
        (5, 5, "100 %"),
        (0, 0, "-"),
        (5, 0, "-"),
        (98, 100, "98 %"),
        (391, 100, "391 %"),
        (999_999, 1_000_000, "99.9999 %"),
        (1_000_001, 1_000_000, "100.0001 %"),
        (10**24 - 1, 10**24, "under 100 %"),
        (10**24 + 1, 10**24, "over 100 %"),
    ],
)
def test_share(part, whole, text):
    assert share(part, whole) == text


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        (5, 5, "+0 %"),
        (0, 0, "+0 %"),
        (5, 0, "new"),
        (0, 5, "-100 %"),
        (391, 100, "+291 %"),
        (1_001, 1_000, "+0.1 %"),
        (999, 1_000, "-0.1 %"),
        (1_000_001, 1_000_000, "+0.0001 %"),
        (10**24 + 1, 10**24, "+0.0... %"),
        (10**24 - 1, 10**24, "-0.0... %"),
    ],
)
def test_change(now, before, text):
    assert change(now, before) == text
