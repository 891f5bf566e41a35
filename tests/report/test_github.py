"""What GitHub reads: annotations at the marker's line, ten at most, and a summary within its limit."""

from __future__ import annotations

from dataclasses import replace

import report_samples as samples

from pytest_modelbudget.report.github import SUMMARY_LIMIT, error_annotations, job_summary
from pytest_modelbudget.report.parts.markdown import MARKER
from pytest_modelbudget.values.run import Report


def test_annotations() -> None:
    """One for each that fails, the worst first; a newline is %0A, a percent sign %25, a colon in a property %3A."""
    assert error_annotations(samples.REPORT).splitlines() == [
        "::error file=tests/test_cost.py,line=7,title=Model budget%3A tests/test_cost.py%3A%3Atest_net"
        "::over budget: flops 20 G of 8 G (+150 %25)"
        "%0A5.00x since the baseline = architecture 1.25x * batch 1.00x * resolution 4.00x (224 -> 448)"
        "%0Achanged layer2: Conv2d(512, 512, 3) -> Conv2d(512, 768, 3), flops +1 G, models/net.py:21"
        "%0Arenamed classifier (was head): Linear(768, 1000), flops same, models/net.py:30",
        "::error file=tests/test_cost.py,line=19,title=Model budget%3A tests/test_cost.py%3A%3Atest_text"
        "::above its baseline: flops 1.1 G, was 1 G (+10 %25, tolerance 0 %25)"
        "%0A1.10x since the baseline = architecture 1.10x * batch 1.00x * sequence 1.00x"
        "%0Aadded adapter: Linear(1000, 1000), flops +100 M, models/text.py:40",
        "::error file=tests/test_cost.py,line=31,title=Model budget%3A tests/test_cost.py%3A%3Atest_custom"
        "::not counted: 1 operator has no formula, so the numbers are too low"
        "%0Anew: the baseline has no entry for it",
    ]


def test_none_where_nothing_fails() -> None:
    assert error_annotations(replace(samples.REPORT, results=(samples.SAME, samples.NEW))) == ""
    assert error_annotations(samples.EMPTY) == ""


def failing(number: int) -> Report:
    return replace(samples.REPORT, results=tuple(replace(samples.OVER, entry=f"test_{n}") for n in range(number)))


def test_ten_at_most_and_the_last_says_how_many_more() -> None:
    lines = error_annotations(failing(13)).splitlines()
    assert len(lines) == 10
    assert all(line.startswith("::error ") for line in lines)
    assert lines[-1].endswith("%0A3 more failing budgets are not annotated: see the report.")
    assert "more failing" not in "".join(lines[:-1])


def test_ten_are_all_there() -> None:
    text = error_annotations(failing(10))
    assert text.count("::error ") == 10
    assert "more failing" not in text


def test_the_root_may_be_a_folder_of_the_repository() -> None:
    assert "::error file=python/models/tests/test_cost.py," in error_annotations(
        samples.REPORT, folder="python/models/"
    )


def test_summary_is_the_markdown_report() -> None:
    assert job_summary(samples.REPORT).startswith(MARKER)


def test_summary_stays_within_what_is_left() -> None:
    report = replace(
        samples.REPORT, results=tuple(replace(samples.OVER, entry=f"{n:05}" + "x" * 90) for n in range(5000))
    )
    for already in (0, 500_000, SUMMARY_LIMIT - 3000):
        text = job_summary(report, already=already)
        assert 0 < len(text.encode()) <= SUMMARY_LIMIT - already
    assert job_summary(report, already=SUMMARY_LIMIT - 100) == ""
