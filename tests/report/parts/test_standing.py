"""How entries stand, which come first, and the sentence that sums them up."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import report_samples as samples

from pytest_modelbudget.report.parts.standing import ORDER, ranked, sentence, standing
from pytest_modelbudget.values.result import Result


@pytest.mark.parametrize(
    ("result", "word"),
    [
        (samples.OVER, "over budget"),
        (samples.REGRESSED, "above its baseline"),
        (samples.UNCOUNTED, "not judged"),
        (samples.GREW, "grew"),
        (samples.OTHER, "not comparable"),
        (samples.NEW, "new"),
        (samples.TIGHTER, "tighter"),
        (samples.ALONE, "within budget"),
        (samples.SAME, "unchanged"),
    ],
)
def test_standing(result: Result, word: str) -> None:
    assert standing(result) == word


def test_every_standing_has_a_sample() -> None:
    assert sorted(standing(result) for result in samples.RESULTS) == sorted(ORDER)


def test_ranking_does_not_depend_on_the_order_of_the_run() -> None:
    for shuffled in itertools.islice(itertools.permutations(samples.RESULTS), 0, None, 40_000):
        assert [standing(result) for result in ranked(shuffled)] == list(ORDER)


def test_the_worst_comes_first_among_those_that_fail() -> None:
    """OVER is at 250 % of 8 G; with 10 G it is at 200 %."""
    judged = tuple(replace(j, limit=10 * samples.G) if j.metric == "flops" else j for j in samples.OVER.verdict.judged)
    better = replace(samples.OVER, entry="better", verdict=replace(samples.OVER.verdict, judged=judged))
    assert [r.entry for r in ranked([better, samples.OVER])] == [samples.OVER.entry, "better"]


@pytest.mark.parametrize(
    ("results", "text"),
    [
        ([], "No model was measured."),
        ([samples.SAME], "The model budget holds: 1 unchanged."),
        ([samples.SAME, samples.TIGHTER], "All 2 model budgets hold: 1 can be tightened, 1 unchanged."),
        ([samples.OVER], "1 of 1 model budget fails: 1 over budget."),
        (
            [samples.OVER, samples.OVER, samples.REGRESSED, samples.NEW],
            "3 of 4 model budgets fail: 2 over budget, 1 above its baseline. 1 new.",
        ),
    ],
)
def test_sentence(results: list[Result], text: str) -> None:
    assert sentence(results) == text
