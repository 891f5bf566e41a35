"""``--budget-baseline`` and ``budget_baseline``: where the baseline is."""

from __future__ import annotations

import pytest
from testing.recorded import NET, PIXEL, baseline, check, edit, only, record, said, suite

from pytest_modelbudget.baseline.file import read

ONE = """
@budget(name="net", batch=1, res=8)
def test_net():
    return Net()
"""
LIMITED = ONE.replace("res=8", "res=8, flops='1M'")
WIDER = NET.replace("4, 10", "4, 20")


@pytest.mark.parametrize(
    ("options", "ini", "path"),
    [
        ([], "", "modelbudget.json"),
        ([], "budget_baseline = ci/costs.json", "ci/costs.json"),
        (["--budget-baseline", "mine.json"], "budget_baseline = ci/costs.json", "mine.json"),
        (["--budget-baseline=ci/mine.json"], "", "ci/mine.json"),
    ],
)
def test_where_the_baseline_is(pytester, options, ini, path):
    pytester.makeini(f"[pytest]\n{ini}\n")
    pytester.mkdir("ci")
    suite(pytester, ONE)
    record(pytester, *options)
    assert [str(file.relative_to(pytester.path)) for file in pytester.path.rglob("*.json")] == [path]
    assert read(pytester.path / path).entries.keys() == {"net"}
    assert check(pytester, *options).ret == 0


def test_an_option_is_relative_to_where_pytest_was_called_and_the_rest_to_the_root(pytester, monkeypatch):
    pytester.makeini("[pytest]\n")
    suite(pytester, ONE, file="sub/test_cost.py")
    monkeypatch.chdir(pytester.path / "sub")
    record(pytester)
    record(pytester, "--budget-baseline=mine.json")
    found = sorted(str(file.relative_to(pytester.path)) for file in pytester.path.rglob("*.json"))
    assert found == ["modelbudget.json", "sub/mine.json"]


def test_a_run_is_compared_with_the_baseline_it_is_given(pytester):
    """Not with the one that is where baselines are."""
    suite(pytester, ONE)
    record(pytester)
    edit(pytester, "net", flops=6400)
    record(pytester, "--budget-baseline=other.json")
    assert check(pytester).ret == pytest.ExitCode.TESTS_FAILED
    result = check(pytester, "--budget-baseline=other.json")
    assert result.ret == 0
    assert only(result).comparison.before["flops"] == PIXEL * 64
    pytester.makeini("[pytest]\nbudget_baseline = other.json\n")
    assert check(pytester).ret == 0
    assert check(pytester, "--budget-baseline", baseline(pytester)).ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("target", ["shared/costs.json", "new.json"])
def test_a_link_stays_one(pytester, target):
    pytester.mkdir("shared")
    baseline(pytester).symlink_to(target)
    suite(pytester, ONE)
    record(pytester)
    assert baseline(pytester).is_symlink()
    assert read(pytester.path / target).entries.keys() == {"net"}
    assert check(pytester).ret == 0


@pytest.mark.parametrize(
    ("options", "ini"), [(["--budget-baseline=typo.json"], ""), ([], "budget_baseline = typo.json")]
)
def test_one_that_was_named_and_is_not_there_is_missed(pytester, options, ini):
    """The limits hold, but nobody should believe that anything was compared. Where none was named none is meant."""
    pytester.makeini(f"[pytest]\n{ini}\n")
    suite(pytester, LIMITED)
    result = check(pytester, *options)
    assert result.ret == 0
    missed = f"{pytester.path}/typo.json: no such baseline, so nothing was compared. "
    assert missed + "Record it with pytest --budget-update." in result.outlines
    suite(pytester, "def test_other(): pass")
    assert "no such baseline" not in said(check(pytester, *options))
    suite(pytester, ONE)
    assert check(pytester, *options).ret == pytest.ExitCode.TESTS_FAILED


def test_without_one_nothing_is_said_of_any(pytester):
    suite(pytester, LIMITED)
    result = check(pytester)
    assert result.ret == 0
    assert only(result).comparison is None
    assert "baseline" not in said(result).replace(str(pytester.path), "")


def test_what_is_no_file_is_told(pytester):
    suite(pytester, ONE)
    pytester.mkdir("folder.json")
    result = check(pytester, "--budget-baseline=folder.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert f"{pytester.path}/folder.json: the baseline cannot be read: Is a directory." in said(result)


def test_a_report_is_no_baseline(pytester):
    """They end alike, and are easily taken for each other."""
    suite(pytester, LIMITED)
    check(pytester, "--budget-report=report.json")
    before = (pytester.path / "report.json").read_bytes()
    for options in ([], ["--budget-update"]):
        result = check(pytester, "--budget-baseline=report.json", *options)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert 'report.json:2: format: "modelbudget-report" where a whole number' in said(result)
    assert (pytester.path / "report.json").read_bytes() == before
