"""Why a cost grew, as text: ratios that do not mislead, module descriptions, and the lines for each kind of entry."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import report_samples as samples
from golden_files import check_golden

from pytest_modelbudget.report.growth import describe, growth_lines, times, where_lines, why
from pytest_modelbudget.values.growth import Comparison, Factor, Growth, ModuleChange

G, M = samples.G, samples.M


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


CONV = "3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False"
PLAIN = "64, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1)"


@pytest.mark.parametrize(
    ("kind", "config", "text"),
    [
        ("Conv2d", PLAIN, "Conv2d(64, 64, 3)"),
        ("Conv2d", CONV, "Conv2d(3, 64, 7, stride=2)"),
        ("Conv2d", "8, 8, kernel_size=(1, 3), stride=(1, 1), groups=8", "Conv2d(8, 8, (1, 3), groups=8)"),
        ("Linear", "in_features=2048, out_features=1000, bias=True", "Linear(2048, 1000)"),
        ("BatchNorm2d", "64, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True", "BatchNorm2d(64)"),
        ("LayerNorm", "(768,), eps=1e-06, elementwise_affine=True", "LayerNorm(768)"),
        ("Embedding", "50257, 768, padding_idx=0", "Embedding(50257, 768, padding_idx=0)"),
        ("LSTM", "10, 20, num_layers=2, batch_first=True", "LSTM(10, 20, num_layers=2, batch_first=True)"),
        ("ReLU", "inplace=True", "ReLU"),
        ("Block", "", "Block"),
        ("Odd", "a)(, b=((", "Odd(a)(, b=((, )".replace(", )", ")")),
        ("Multi", "one\ntwo", "Multi(one\\ntwo)"),
    ],
)
def test_description(kind: str, config: str, text: str) -> None:
    assert describe(kind, config) == text


def test_description_keeps_what_differs() -> None:
    """A default that changed is the whole story: it must not be left out."""
    grouped = PLAIN.replace("padding", "groups=32, padding").replace("stride=(1, 1)", "stride=(2, 2)")
    assert describe("Conv2d", PLAIN, versus=grouped) == "Conv2d(64, 64, 3, stride=1)"
    assert describe("Conv2d", grouped, versus=PLAIN) == "Conv2d(64, 64, 3, stride=2, groups=32)"
    assert (
        describe("Linear", "in_features=4, out_features=4, bias=True", versus="bias=False") == "Linear(4, 4, bias=True)"
    )


def test_long_description_is_cut() -> None:
    text = describe("Huge", ", ".join(f"argument{n}={n}" for n in range(100)))
    assert len(text) == 80
    assert text.startswith("Huge(argument0=0, ")
    assert "..." in text


def grown(growth: Growth | None, status: str = "changed", reason: str = "") -> str:
    return why(
        replace(samples.OVER, comparison=replace(samples.OVER.comparison, status=status, reason=reason, growth=growth))
    )


SAME_ARCHITECTURE = Factor("architecture", 4 * G, 4 * G)
RESOLUTION = Factor("resolution", 4 * G, 16 * G, "224", "448")
BATCH = Factor("batch", 4 * G, 32 * G, "1", "8")
QUARTER = Factor("architecture", 4 * G, 1 * G)
CHANNELS = Factor("channels", 1 * G, 2 * G, "3", "6")


@pytest.mark.parametrize(
    ("growth", "text"),
    [
        (
            Growth("flops", 4 * G, 16 * G, (SAME_ARCHITECTURE, RESOLUTION)),
            "4.00x since the baseline = architecture 1.00x * batch 1.00x * resolution 4.00x (224 -> 448)",
        ),
        (
            Growth("flops", 4 * G, 32 * G, (SAME_ARCHITECTURE, BATCH)),
            "8.00x since the baseline = architecture 1.00x * batch 8.00x (1 -> 8) * resolution 1.00x",
        ),
        (
            Growth("params", 20 * M, 30 * M, (Factor("architecture", 20 * M, 30 * M),)),
            "params 1.50x since the baseline = architecture 1.50x * batch 1.00x * resolution 1.00x",
        ),
        (
            Growth("flops", 4 * G, 2 * G, (QUARTER, CHANNELS)),
            "0.50x since the baseline = architecture 0.25x * batch 1.00x * resolution 1.00x * channels 2.00x (3 -> 6)",
        ),
        (Growth("flops", 4 * G, 8 * G, note="could not be separated"), "2.00x since the baseline"),
        (
            Growth("flops", 0, 8 * G, (Factor("architecture", 0, 8 * G),)),
            "flops 0 -> 8 G since the baseline = architecture 0 -> 8 G * batch 1.00x * resolution 1.00x",
        ),
    ],
)
def test_why(growth: Growth, text: str) -> None:
    assert grown(growth) == text


def test_why_without_growth() -> None:
    """OVER was 4 G and 20 M at the baseline; it is 20 G and 30 M."""
    assert grown(None) == "5.00x since the baseline, macs 5.00x since the baseline, params 1.50x since the baseline"
    assert grown(None, "same") == ""
    assert grown(None, "not comparable", "other convention") == "not comparable: other convention"
    assert why(replace(samples.OVER, comparison=Comparison("new"))) == "new: the baseline has no entry for it"
    assert why(replace(samples.OVER, comparison=None)) == ""


def test_changes_are_cut_and_the_biggest_comes_first() -> None:
    changes = tuple(ModuleChange("added", f"m{n:02}", "Linear", "", 0, n * M) for n in range(1, 18))
    growth = Growth("flops", 4 * G, 20 * G, modules=changes)
    lines = growth_lines(replace(samples.OVER, comparison=replace(samples.OVER.comparison, growth=growth)))
    names = [line.split()[1] for line in lines[2:7]]
    assert names == ["m17", "m16", "m15", "m14", "m13"]
    assert lines[7].strip() == "and 12 more"
    assert len(lines) == 8


def test_every_kind_of_entry() -> None:
    parts = ["\n".join([r.entry, *growth_lines(r), *where_lines(r)]) for r in samples.RESULTS]
    check_golden("report_growth.txt", "\n\n".join(parts) + "\n")


def test_a_peak_of_memory_belongs_to_no_module() -> None:
    verdict = samples.Verdict((samples.Judged("memory", 2, 1),))
    assert where_lines(replace(samples.OVER, verdict=verdict)) == []
