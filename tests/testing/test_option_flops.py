"""``budget_flops``: the convention of FLOPs, which every report names."""

from __future__ import annotations

import pytest
from suites import assert_clear, measured, outcomes, properties, run

NET = """
@budget(flops={flops}, macs="1M", res=8)
def test_it():
    return nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4))
"""
MACS = 8 * 8 * 3 * 4
NORM = 2 * 8 * 8 * 4  # a multiplication and an addition for each output of the convolution
CONVENTIONS = {
    "fvcore": (MACS + NORM, "FLOPs as fvcore counts them: 1 multiply-add = 1."),
    "torch": (2 * MACS, "FLOPs as torch.utils.flop_counter counts them: 1 multiply-add = 2."),
}


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_limit_is_in_the_convention(pytester, convention):
    flops, sentence = CONVENTIONS[convention]
    pytester.makeini(f"[pytest]\nbudget_flops = {convention}\n")
    within = run(pytester, NET.format(flops=flops))
    assert outcomes(within) == {"passed": 1}
    assert measured(within) == [flops]
    assert measured(within, "macs") == [MACS]
    assert ("modelbudget.convention", convention) in properties(within)
    assert_clear(within, sentence)
    over = run(pytester, NET.format(flops=flops - 1))
    assert outcomes(over) == {"failed": 1}
    assert over.stdout.str().count(sentence) == 2  # in the failure and in the summary


def test_fvcore_is_the_default(pytester):
    assert measured(run(pytester, NET.format(flops="'1M'"))) == [MACS + NORM]


def test_the_fixture_uses_it_too(pytester):
    pytester.makeini("[pytest]\nbudget_flops = torch\n")
    source = """
        def test_it(model_cost):
            assert model_cost(Pixels, res=8).flops == 2 * 8 * 8 * 12
            assert model_cost(Pixels, res=8, convention="fvcore").flops == 8 * 8 * 12
    """
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 1}
    assert_clear(result, *(sentence for _, sentence in CONVENTIONS.values()))


@pytest.mark.parametrize(
    ("value", "hint"), [("tourch", " Did you mean 'torch'?"), ("FVCORE", ""), ("1", ""), ("torch fvcore", "")]
)
def test_a_bad_word_stops_the_run(pytester, value, hint):
    pytester.makeini(f"[pytest]\nbudget_flops = {value}\n")
    result = run(pytester, NET.format(flops=1))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_clear(result, f"budget_flops = {value}: allowed are fvcore and torch.{hint}")


def test_a_key_that_is_not_ours_is_pytests_to_refuse(pytester):
    pytester.makeini("[pytest]\nbudget_flop = torch\n")
    result = run(pytester, NET.format(flops=1), "--strict-config")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_clear(result, "budget_flop")
