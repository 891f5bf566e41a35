"""``--budget-write``: a limit that is ``...`` gets the number that was measured, in the file it is written in.

``Pixels`` has 12 parameters and 12 multiply-adds at each pixel: with 2 % of headroom 12.24, which is 13; 783.36 at 8 x
8 pixels, which is 784, and 195.84 at 4 x 4, which is 196.
"""

from __future__ import annotations

import sys

import pytest
from suites import HEADER, MODELS, assert_clear, failure, outcomes, run

WAYS = """
pytestmark = [budget(params=...), pytest.mark.slow]  # größe


@budget(res=8, flops=...)
@pytest.mark.budget(
    res=4,
    macs=(
        ...  # to be filled in
    ), flops = ...,
    name="four",
)
def test_stacked():
    return Pixels()


@pytest.mark.parametrize("res", [pytest.param(4, marks=budget(flops=...)), pytest.param(8, marks=budget(flops=...))])
@budget(model=Pixels)
def test_params(res): ...


@pytest.mark.parametrize("res", [4, 8])
@budget(model=Pixels, flops=...)
def test_shared(res): ...


@budget(model=Pixels, res=4, activations=...)
class TestClass:
    def test_a(self): ...

    @budget(flops=..., res=8)
    def test_b(self): ...


@budget(model=Pixels, res=4)
def test_fixture(model_cost):
    for res in (4, 8):
        model_cost(Pixels, res=res, flops=..., name=f"{res}")
"""
FILLED = (
    (WAYS.replace('budget(params=...)', 'budget(params="13")'))
    .replace("res=8, flops=...)\n@pytest", 'res=8, flops="784")\n@pytest')
    .replace("        ...  # to be", '        "196"  # to be')
    .replace("flops = ...,", 'flops = "196",')
    .replace("pytest.param(4, marks=budget(flops=...))", 'pytest.param(4, marks=budget(flops="196"))')
    .replace("pytest.param(8, marks=budget(flops=...))", 'pytest.param(8, marks=budget(flops="784"))')
    .replace("model=Pixels, flops=...", 'model=Pixels, flops="784"')
    .replace("activations=...", 'activations="262"')  # 4 channels at 8 x 8 pixels: 256 and 2 %
    .replace("flops=..., res=8)\n    def test_b", 'flops="784", res=8)\n    def test_b')
    .replace("res=res, flops=...", 'res=res, flops="784"')
)  # fmt: skip
ONE = """
@budget(res=8, flops=..., params=12)
def test_it():
    return Pixels()
"""


def source(pytester: pytest.Pytester) -> str:
    return (pytester.path / "test_cost.py").read_bytes().decode().partition(HEADER.lstrip())[2].lstrip("\n")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 does not tell apart the calls within one call")
@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_every_way_of_writing_a_limit(pytester, options):
    pytester.makepyfile(models=MODELS)
    test = pytester.path / "test_cost.py"
    test.write_bytes((HEADER + WAYS).replace("\n", "\r\n").encode())
    line = (HEADER + WAYS).split("\n").index("pytestmark = [budget(params=...), pytest.mark.slow]  # größe") + 1
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--budget-write", *options)
    assert outcomes(result) == {"passed": 8}
    assert test.read_bytes() == (HEADER + FILLED).replace("\n", "\r\n").encode()
    result.stdout.fnmatch_lines(["limits written: 10", f'test_cost.py:{line}: params = "13" (was ...)'])
    again = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    assert outcomes(again) == {"passed": 8}


def test_without_the_option_it_fails_and_names_the_command(pytester):
    text = failure(run(pytester, ONE))
    assert "to be filled in: flops=..." in text
    assert 'Measure and write it with pytest --budget-write; as it is now: flops="784".' in text
    assert "flops=..." in (pytester.path / "test_cost.py").read_text()


def test_limits_that_are_there_stay(pytester):
    result = run(pytester, ONE, "--budget-write")
    assert outcomes(result) == {"passed": 1}
    assert '@budget(res=8, flops="784", params=12)' in (pytester.path / "test_cost.py").read_text()
    over = run(pytester, ONE.replace("flops=...", "flops=700"), "--budget-write")
    assert outcomes(over) == {"failed": 1}


def test_all_moves_limits_and_shows_the_diff_first(pytester):
    source = ONE.replace("flops=...", "flops='700'").replace("params=12", "params=1_000")
    result = run(pytester, source, "--budget-write=all", "--budget-headroom=0")
    assert outcomes(result) == {"passed": 1}
    assert "@budget(res=8, flops='768', params=12)" in (pytester.path / "test_cost.py").read_text()
    result.stdout.fnmatch_lines(
        [
            "--- test_cost.py",
            "-@budget(res=8, flops='700', params=1_000)",
            "+@budget(res=8, flops='768', params=12)",
            "limits written: 2",
        ]
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("@budget(res=8, **{'flops': ...})\ndef test_it():\n    return Pixels()", "no such argument is written"),
        ("OPEN = ...\n@budget(res=8, flops=OPEN)\ndef test_it():\n    return Pixels()", "it is OPEN"),
    ],
)
def test_what_cannot_be_written_fails_the_run_and_says_what_to_write(pytester, source, said):
    result = run(pytester, source, "--budget-write")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert_clear(result, said, 'write flops="784" by hand')


def test_what_measured_nothing_is_not_written(pytester):
    result = run(pytester, "@budget(res=8, flops=...)\ndef test_it():\n    return nn.Identity()", "--budget-write")
    assert outcomes(result) == {"failed": 1}
    assert "measured nothing" in result.stdout.str()
    assert "flops=..." in (pytester.path / "test_cost.py").read_text()


def test_a_test_that_fails_otherwise_is_not_written(pytester):
    source = "def test_it(model_cost):\n    model_cost(Pixels, res=8, flops=...)\n    assert False"
    result = run(pytester, source, "--budget-write")
    assert "not written: test_cost.py::test_it: its test did not run to its end" in result.stdout.str()
    assert "flops=..." in (pytester.path / "test_cost.py").read_text()


def test_a_file_that_changes_while_the_run_goes_on_is_left_alone(pytester):
    more = "\ndef test_edits():\n    with open(__file__, 'a') as file:\n        file.write('# edited')\n"
    result = run(pytester, ONE + more, "--budget-write")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert_clear(result, "it changed while the run went on, so it was left alone")
    assert "flops=..." in (pytester.path / "test_cost.py").read_text()


def test_a_limit_in_another_file(pytester):
    pytester.makepyfile(shared="from pytest_modelbudget import budget\nSMALL = budget(flops=..., res=4)\n")
    result = run(pytester, "from shared import SMALL\n@SMALL\ndef test_it():\n    return Pixels()", "--budget-write")
    assert outcomes(result) == {"passed": 1}
    assert 'SMALL = budget(flops="196", res=4)' in (pytester.path / "shared.py").read_text()


def test_a_wrong_headroom_is_told_before_the_run(pytester):
    result = run(pytester, ONE, "--budget-write", "--budget-headroom=much")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "budget_headroom='much' is not a percentage" in result.stderr.str()


def test_a_limit_of_the_fixture_fails_its_test(pytester):
    result = run(pytester, "def test_it(model_cost):\n    model_cost(Pixels, res=8, flops=767)")
    assert "over budget: flops 768 of 767" in failure(result)


def test_markers_are_as_they_were_after_the_run(pytester):
    before = pytest.MarkDecorator.with_args
    run(pytester, ONE, "--budget-write")
    assert pytest.MarkDecorator.with_args is before


def test_nothing_is_written_without_the_option_in_any_run(pytester):
    pytester.makepyfile(models=MODELS, test_cost=HEADER + ONE)
    before = (pytester.path / "test_cost.py").read_bytes()
    for options in ((), ("--budget-update",), ("-n", "1")):
        pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)
        assert (pytester.path / "test_cost.py").read_bytes() == before
