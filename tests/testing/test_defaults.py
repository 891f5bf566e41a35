"""Limits beside parameters, and defaults from a conftest and from the project's table."""

from __future__ import annotations

import pytest
from suites import measured, outcomes, pixels, run

PARAMS = """
    @pytest.mark.parametrize("res", [
        pytest.param(4, marks=budget(flops={four})),
        pytest.param(8, marks=budget(flops={eight})),
        pytest.param(16, marks=budget(flops=1, batch=2)),
    ])
    @budget(model=Pixels, params=12)
    def test_it(res): ...
"""


def test_a_param_adds_its_limits_to_the_decorator(pytester):
    result = run(pytester, PARAMS.format(four=pixels(1, 4), eight=pixels(1, 8)))
    assert outcomes(result) == {"passed": 2, "failed": 1}
    assert measured(result) == [pixels(1, 4), pixels(1, 8), pixels(2, 16)]
    assert measured(result, "params.limit") == [12, 12, 12]


def test_a_param_adds_to_each_of_several_decorators(pytester):
    source = """
        @pytest.mark.parametrize("res", [pytest.param(4, marks=budget(params=12))])
        @budget(model=Pixels, batch=1)
        @budget(model=Pixels, batch=2)
        def test_it(res): ...
    """
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 1}
    assert measured(result) == [pixels(1, 4), pixels(2, 4)]


CONFTEST = "from pytest_modelbudget import budget\npytestmark = budget(params={}, res={})\n"
TEST = "@budget(flops='1M')\ndef test_it():\n    return Pixels()\ndef test_plain():\n    pass"


def test_a_conftest_gives_defaults_to_the_budgets_of_its_folder(pytester):
    pytester.makeconftest(CONFTEST.format(12, 4))
    result = run(pytester, TEST)
    assert (outcomes(result), measured(result)) == ({"passed": 2}, [pixels(1, 4)])
    pytester.makeconftest(CONFTEST.format(11, 4))
    result = run(pytester, TEST)
    assert outcomes(result) == {"passed": 1, "failed": 1}
    assert "over budget: params 12 of 11" in result.stdout.str()


def test_the_nearer_folder_goes_first_and_others_have_no_say(pytester):
    pytester.makeconftest(CONFTEST.format(1, 4))
    for folder, params in (("inner", 12), ("other", 2)):
        (pytester.path / folder).mkdir()
        (pytester.path / folder / "conftest.py").write_text(CONFTEST.format(params, 8))
    test = "from torch import nn\nfrom pytest_modelbudget import budget\n@budget(flops='1M')\ndef test_it():\n    "
    (pytester.path / "inner" / "test_a.py").write_text(f"{test}return nn.Conv2d(3, 4, 1, bias=False)\n")
    (pytester.path / "other" / "test_b.py").write_text("def test_plain(): ...\n")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    assert (outcomes(result), measured(result)) == ({"passed": 2}, [pixels(1, 8)])


def test_the_projects_table_gives_defaults(pytester):
    pytester.makepyprojecttoml("[tool.modelbudget.defaults]\nparams = 11\nres = [4, 8]\n")
    result = run(pytester, TEST)
    assert outcomes(result) == {"passed": 1, "failed": 1}
    assert measured(result) == [pixels(1, 4, 8)]
    assert "over budget: params 12 of 11" in result.stdout.str()


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("conftest", "'parms' is not an argument of budget(). Did you mean 'params'?"),
        ("table", "'parms' is not an argument of budget(). Did you mean 'params'?"),
    ],
)
def test_a_wrong_default_is_told(pytester, where, said):
    if where == "conftest":
        pytester.makeconftest("from pytest_modelbudget import budget\npytestmark = budget(parms=1)\n")
    else:
        pytester.makepyprojecttoml("[tool.modelbudget.defaults]\nparms = 1\n")
    assert said in run(pytester, TEST).stdout.str()


def test_a_default_that_is_open_is_written_where_it_stands(pytester):
    pytester.makeconftest(CONFTEST.format("...", 4))
    assert outcomes(run(pytester, TEST, "--budget-write")) == {"passed": 2}
    assert (pytester.path / "conftest.py").read_text().endswith('pytestmark = budget(params="13", res=4)')
