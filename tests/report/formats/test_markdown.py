"""The Markdown report: what a pull request shows, in which order, and what gives way to the size limit."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import report_samples as samples
from golden_files import check_golden
from markdown_it import MarkdownIt

from pytest_modelbudget.report.formats.markdown import render as to_markdown
from pytest_modelbudget.report.parts.markdown import MARKER
from pytest_modelbudget.values.result import Result
from pytest_modelbudget.values.run import Report


def test_golden() -> None:
    check_golden("report.md", to_markdown(samples.REPORT))


def test_the_marker_is_the_first_line() -> None:
    assert to_markdown(samples.EMPTY).splitlines()[0] == MARKER == "<!-- modelbudget -->"


def test_empty() -> None:
    assert "**No model was measured.**" in to_markdown(samples.EMPTY)
    assert "|" not in to_markdown(samples.EMPTY)


def test_quiet_entries_are_open_where_nothing_is_louder() -> None:
    text = to_markdown(replace(samples.REPORT, results=(samples.SAME, samples.ALONE)))
    assert "<details open><summary>2 entries within budget or unchanged</summary>" in text


def many(number: int, failing: int) -> Report:
    """So many entries, of which some fail; the names have 200 characters."""
    fails = [replace(samples.OVER, entry=f"fail{n:04}" + "x" * 200) for n in range(failing)]
    holds = [replace(samples.TIGHTER, entry=f"hold{n:04}" + "x" * 200) for n in range(number - failing)]
    return replace(samples.REPORT, results=(*holds, *fails))


@pytest.mark.parametrize("limit", [2_500, 5_000, 20_000, 60_000, 2**20])
@pytest.mark.parametrize(("number", "failing"), [(1000, 0), (1000, 10), (1000, 1000), (5, 2)])
def test_limit(number: int, failing: int, limit: int) -> None:
    """Within the limit in bytes, and shown and left out add up to what there is."""
    text = to_markdown(many(number, failing), limit=limit)
    assert len(text.encode()) <= limit
    rows = sum(line.startswith("| ") and "xxx" in line for line in text.splitlines())
    sections = text.count("<details><summary><b>")
    left = re.search(r"Left out, to stay within \d+ bytes:(?: (\d+) entr\w+)?(?: and)?(?: (\d+) expl\w+)?\.", text)
    entries, explanations = (int(number or 0) for number in left.groups()) if left else (0, 0)
    assert rows + entries == number
    assert sections + explanations == failing
    assert text.startswith(MARKER)
    if failing and limit >= 5_000:
        assert "| **over budget** |" in text
        assert text.count("```text") == sections
        assert text.count("<details>") == text.count("</details>")


def test_failing_entries_and_their_reasons_go_last() -> None:
    """There is room for all ten failing entries and their reasons, so they are there, and others gave way."""
    text = to_markdown(many(1000, 10), limit=40_000)
    assert text.count("| **over budget** |") == 10
    assert text.count("<details><summary><b>over budget") == 10
    assert 0 < text.count("| tighter |") < 990


def test_non_ascii_counts_in_bytes() -> None:
    results = tuple(replace(samples.TIGHTER, entry="漢" * 100 + str(n)) for n in range(500))
    text = to_markdown(replace(samples.REPORT, results=results), limit=20_000)
    assert len(text.encode()) <= 20_000
    assert "漢" in text


def cells(result: Result) -> list[str]:
    """The cells of the only row, by a Markdown parser."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(to_markdown(replace(samples.REPORT, results=(result,))))
    kinds = [token.type for token in tokens]
    body = tokens[kinds.index("tbody_open") : kinds.index("tbody_close")]
    return [token.content for token in body if token.type == "inline"]


@pytest.mark.parametrize(
    ("result", "row"),
    [
        (  # 20 of 8 is 250 %; 20 after 4 is 400 % more
            samples.OVER,
            [
                "**over budget**",
                "`tests/test_cost.py::test_net`",
                "batch 1, res 448, infer",
                "**20 G**<br>250 % of 8 G<br>+400 % (was 4 G)",
                "30 M<br>75 % of 40 M<br>+50 % (was 20 M)",
            ],
        ),
        (  # no baseline: nothing is said about one
            samples.ALONE,
            [
                "within budget",
                "`tests/test_cost.py::test_no_baseline`",
                "batch 1, res 224, infer",
                "2 G<br>50 % of 4 G",
                "2 M",
            ],
        ),
        (  # new, not "+100 %"
            samples.NEW,
            [
                "new",
                "`tests/test_cost.py::test_new`",
                "batch 1, res 224, infer",
                "1 G<br>100 % of 1 G<br>new",
                "2 M<br>new",
            ],
        ),
    ],
)
def test_row(result: Result, row: list[str]) -> None:
    assert cells(result) == row


def test_numbers_that_differ_look_different() -> None:
    """One operation over the limit does not read "8 G of 8 G"."""
    judged = (samples.Judged("flops", 8 * samples.G + 1, 8 * samples.G), *samples.OVER.verdict.judged[1:])
    row = cells(replace(samples.OVER, comparison=None, verdict=samples.Verdict(judged)))
    assert row[3] == "**8.000000001 G**<br>100.00000001 % of 8 G"


def test_where_is_that_of_the_terminal_but_for_a_peak() -> None:
    """A peak of memory is of the whole model, whatever its modules keep of it."""
    row = replace(samples.module("a", "Linear", 1, 1), memory=1)
    cost = samples.cost(samples.SMALL, "Net", samples.module("", "Net", 1, 1), row, memory=2)
    for metric, there in (("flops", True), ("memory", False)):
        verdict = samples.Verdict((samples.Judged(metric, 2, 1),))
        result = replace(samples.ALONE, cost=cost, verdict=verdict)
        text = to_markdown(replace(samples.REPORT, results=(result,)))
        assert ("where  a  Linear" in text) is there
