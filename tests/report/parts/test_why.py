"""Why a cost grew, as text: the lines for each kind of entry."""

from __future__ import annotations

from dataclasses import replace

import pytest
import report_samples as samples
from golden_files import check_golden

from pytest_modelbudget.report.parts.where import where_lines
from pytest_modelbudget.report.parts.why import growth_lines, why
from pytest_modelbudget.values.growth import Comparison, Factor, Growth, ModuleChange

G, M = samples.G, samples.M


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


def test_changes_are_cut_and_stay_in_their_order() -> None:
    changes = tuple(ModuleChange("added", f"m{n:02}", "Linear", "", 0, n * M, own=n * M) for n in range(17, 0, -1))
    growth = Growth("flops", 4 * G, 20 * G, modules=changes)
    lines = growth_lines(replace(samples.OVER, comparison=replace(samples.OVER.comparison, growth=growth)))
    names = [line.split()[1] for line in lines[3:8]]
    assert names == ["m17", "m16", "m15", "m14", "m13"]
    assert lines[8].strip() == "and 12 more"
    assert len(lines) == 9


def test_every_kind_of_entry() -> None:
    parts = ["\n".join([r.entry, *growth_lines(r), *where_lines(r)]) for r in samples.RESULTS]
    check_golden("report_growth.txt", "\n\n".join(parts) + "\n")
