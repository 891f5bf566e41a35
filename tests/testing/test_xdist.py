"""``pytest -n``: the same verdicts and reports as without, once, from the controller."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from suites import HEADER, MODELS, outcomes

SUITES = {
    "test_one": """
import os
import sys

@pytest.mark.parametrize("res", [4, 8, 16])
@budget(model=Pixels, flops=800)
def test_point(res): ...

@budget(flops="1M", res=8, name="two points")
@budget(flops="1M", res=4)
def test_points():
    return Pixels()

def test_fixture(model_cost):
    model_cost(Tokens, batch=1, seq=5)
""",
    "test_two": """
@budget(model=Tokens, flops=99, seq=5)
class TestTokens:
    def test_over(self): ...

    @budget(flops=100)
    def test_at_the_limit(self): ...

@pytest.mark.xdist_group("a group")
@budget(res=8)
def test_no_limits():
    return Pixels()

@budget(flops=1, res=8)
def test_no_model(): ...

@pytest.mark.skip
@budget(model=Pixels, flops=1, res=8)
def test_skipped(): ...

def test_unmarked(): ...
""",
}


@pytest.fixture
def suite(pytester):
    pytester.makepyfile(models=MODELS, **{name: HEADER + source for name, source in SUITES.items()})
    return pytester


def run(suite, *options):
    result = suite.runpytest_inprocess("-p", "no:cacheprovider", "--junitxml=junit.xml", *options)
    junit = {}
    for case in ElementTree.parse(suite.path / "junit.xml").getroot().iter("testcase"):
        failure = case.find("failure")
        properties = [(p.get("name"), p.get("value")) for p in case.iter("property")]
        junit[case.get("classname"), case.get("name").partition("@")[0]] = (
            properties,
            None if failure is None else failure.text,
        )
    return result, junit


def summary(result):
    """The rows of our section, in any order; a column may be wider where ids are longer."""
    lines = result.outlines
    start = next(i for i, line in enumerate(lines) if "= model budgets =" in line)
    end = lines.index("FLOPs as fvcore counts them: 1 multiply-add = 1.", start)
    return sorted(lines[start + 1 : end])


def test_the_run_is_the_same_but_for_order(suite):
    alone, junit_alone = run(suite)
    assert outcomes(alone) == {"passed": 6, "failed": 4, "skipped": 1}
    for options in (["-n2"], ["-n2", "--dist=loadfile"]):
        distributed, junit = run(suite, *options)
        assert distributed.ret == alone.ret == 1
        assert outcomes(distributed) == outcomes(alone)
        assert summary(distributed) == summary(alone)
        assert junit == junit_alone
        assert distributed.stdout.str().count("= model budgets =") == 1


def test_collection_errors_are_said_by_name(pytester):
    pytester.makepyfile(test_cost="import pytest\n\n@pytest.mark.budget(flop=1)\ndef test_it(): ...")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-n1")
    assert outcomes(result) == {"errors": 1}
    result.stdout.fnmatch_lines(
        ["*test_cost.py::test_it: 'flop' is not an argument of budget(). Did you mean 'flops'?*"]
    )


def test_settings_reach_the_workers_and_groups_are_no_part_of_an_entry(suite):
    """With ``--dist=loadgroup`` a worker adds ``@group`` to the ids of tests."""
    suite.makeini("[pytest]\nbudget_flops = torch\n")
    result, junit = run(suite, "-n1", "--dist=loadgroup", "-k", "at_the_limit or no_limits")
    assert outcomes(result) == {"failed": 2}
    assert dict(junit["test_two.TestTokens", "test_at_the_limit"][0])["modelbudget.flops"] == "200"
    result.stdout.fnmatch_lines(["test_two.py::test_no_limits  *", "*FLOPs 1.54 k*"])


def test_a_group_may_have_any_name(pytester):
    tests = [
        f"""
@pytest.mark.xdist_group({group!r})
@pytest.mark.parametrize("mail", ["me@home", "[a::b@c]"])
@pytest.mark.budget(flops=12, inputs=(1, 4))
def test_{number}(mail):
    return nn.Linear(4, 3)
"""
        for number, group in enumerate(["one", "a::b@c", "x]@y", "@"])
    ]
    pytester.makepyfile(test_cost="\n".join(["import pytest\nfrom torch import nn\n", *tests]))
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-n1", "--dist=loadgroup", "--budget-update")
    assert outcomes(result) == {"passed": 8}
    entries = json.loads((pytester.path / "modelbudget.json").read_text(encoding="utf-8"))["entries"]
    mails = ("[a::b@c]", "me@home")
    assert [*entries] == [f"test_cost.py::test_{number}[{mail}]" for number in range(4) for mail in mails]


def test_wrong_settings_stop_the_run_once(suite):
    suite.makeini("[pytest]\nbudget_flops = tourch\n")
    result = suite.runpytest_inprocess("-n2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert (result.stdout.str() + result.stderr.str()).count(
        "budget_flops = tourch: allowed are fvcore and torch."
    ) == 1
