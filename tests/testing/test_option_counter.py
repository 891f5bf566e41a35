"""``--budget-counter`` and ``budget_counter``: who counts."""

from __future__ import annotations

import sys

import pytest
from suites import assert_clear, measured, outcomes, properties, run

NET = """
@budget(flops="1M", res=8)
def test_it():
    return nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4))
"""
FLOPS = 8 * 8 * 3 * 4 + 2 * 8 * 8 * 4  # the convolution, and a multiplication and an addition for each output of it


@pytest.mark.parametrize(("counter", "executed"), [("aten", "meta"), ("fvcore", "real")])
def test_both_counters_agree_and_say_how_they_counted(pytester, counter, executed):
    result = run(pytester, NET, "--budget-counter", counter)
    assert outcomes(result) == {"passed": 1}
    assert measured(result) == [FLOPS]
    assert ("modelbudget.executed", executed) in properties(result)


@pytest.mark.parametrize(
    ("ini", "options", "executed"),
    [
        ("", [], "meta"),
        ("budget_counter = fvcore", [], "real"),
        ("budget_counter = fvcore", ["--budget-counter=aten"], "meta"),
        ("budget_counter = aten", ["--budget-counter=fvcore"], "real"),
    ],
)
def test_the_option_goes_before_the_ini_key(pytester, ini, options, executed):
    pytester.makeini(f"[pytest]\n{ini}\n")
    assert ("modelbudget.executed", executed) in properties(run(pytester, NET, *options))


def test_a_failure_names_a_counter_that_is_not_the_default(pytester):
    result = run(pytester, NET.replace("1M", "1k"), "--budget-counter=fvcore")
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, "FLOPs as fvcore counts them: 1 multiply-add = 1. Counted by fvcore.")


def test_the_fixture_uses_it_too(pytester):
    source = """
        def test_it(model_cost):
            cost = model_cost(Pixels, res=8)
            assert (cost.counter, cost.executed) == ("fvcore", "real")
            assert model_cost(Pixels, res=8, counter="aten").counter == "aten"
    """
    assert outcomes(run(pytester, source, "--budget-counter=fvcore")) == {"passed": 1}


def test_fvcore_takes_no_keyword_inputs_and_says_so(pytester):
    source = """
        @budget(model=Pixels, inputs={"image": ("batch", 3, 8, 8)}, flops="1M")
        def test_it(): ...
    """
    result = run(pytester, source, "--budget-counter=fvcore")
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, "counter='fvcore' takes positional inputs only")


@pytest.mark.parametrize("missing", ["fvcore", "numpy"])
def test_without_fvcore_or_numpy_it_says_what_to_install(pytester, monkeypatch, missing):
    for name in [name for name in sys.modules if name.split(".")[0] in ("fvcore", missing)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)  # as Python notes what is not there
    result = run(pytester, NET, "--budget-counter=fvcore")
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, "counter='fvcore' counts with the package fvcore", "pip install fvcore numpy", missing)
    assert "raised" not in result.stdout.str()


def test_a_bad_word_on_the_command_line(pytester):
    result = run(pytester, NET, "--budget-counter=torch")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_clear(result, "--budget-counter", "'torch'", "aten", "fvcore")


def test_a_bad_word_in_the_ini_file(pytester):
    pytester.makeini("[pytest]\nbudget_counter = fvcor\n")
    result = run(pytester, NET)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_clear(result, "budget_counter = fvcor: allowed are aten and fvcore. Did you mean 'fvcore'?")


def test_fvcore_cannot_count_in_another_convention(pytester):
    pytester.makeini("[pytest]\nbudget_flops = torch\n")
    result = run(pytester, NET, "--budget-counter=fvcore")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_clear(result, "budget_counter = fvcore counts in its own convention: set budget_flops = fvcore")
