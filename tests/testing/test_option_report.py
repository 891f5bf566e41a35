"""``--budget-report`` and ``budget_report``: a file for each, by its suffix, whole or not at all."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from testing.recorded import PIXEL, baseline, check, edit, record, said, suite

from pytest_modelbudget.report.formats.json import from_json
from pytest_modelbudget.values.run import Report

TEST = """
@budget(name="net", batch=1, res=8, flops={limit})
def test_net():
    return Net()
"""
HOLDS, FAILS = TEST.format(limit="'1M'"), TEST.format(limit="'7k'")
FORMATS = {
    ".json": '"modelbudget-report"',
    ".md": "### Model budgets",
    ".html": "</html>",
    ".txt": "# EOF",
}


def report(path: Path) -> Report:
    return from_json(path.read_bytes(), str(path))


def files(folder: Path) -> list[str]:
    """What a run left, but for the suite."""
    found = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if not name.endswith((".py", ".pyc", ".ini")))


@pytest.mark.parametrize("test", [HOLDS, FAILS], ids=["on pass", "on failure"])
def test_every_report_is_written_in_the_format_of_its_suffix(pytester, test):
    suite(pytester, test)
    options = [f"--budget-report=out/report{suffix}" for suffix in FORMATS]
    result = check(pytester, *options)
    assert result.ret == (pytest.ExitCode.OK if test is HOLDS else pytest.ExitCode.TESTS_FAILED)
    assert files(pytester.path) == sorted(f"out/report{suffix}" for suffix in FORMATS)
    for suffix, text in FORMATS.items():
        assert text in (pytester.path / f"out/report{suffix}").read_text(encoding="utf-8")
        assert f"report: {pytester.path}/out/report{suffix}" in result.outlines
    found = report(pytester.path / "out/report.json")
    assert [(r.entry, r.cost.flops, r.verdict.passed) for r in found.results] == [("net", PIXEL * 64, test is HOLDS)]
    said(result)


def test_a_report_says_how_the_run_stands_to_its_baseline(pytester):
    suite(pytester, HOLDS)
    record(pytester)
    edit(pytester, "net", flops=6400)
    check(pytester, "--budget-report=report.json")
    (result,) = report(pytester.path / "report.json").results
    assert result.comparison.status == "changed"
    assert [(f.name, f.before, f.after) for f in result.comparison.growth.factors] == [("architecture", 6400, 7424)]
    assert report(pytester.path / "report.json").before.keys() == {"net"}


def test_a_report_of_an_update_compares_with_nothing(pytester):
    suite(pytester, HOLDS)
    record(pytester)
    edit(pytester, "net", flops=6400)
    record(pytester, "--budget-report=report.json")
    (result,) = report(pytester.path / "report.json").results
    assert result.comparison is None


@pytest.mark.parametrize("processes", [(), ("-n", "1")], ids=["one process", "two processes"])
def test_markdown_names_source_lines(pytester, processes):
    """Also where the process that writes it never loaded the models."""
    suite(pytester, FAILS)
    check(pytester, "--budget-report=report.md", "--budget-report=report.json", *processes)
    text = (pytester.path / "report.md").read_text(encoding="utf-8")
    assert re.search(r"where +head .* models\.py:10", text)
    (result,) = report(pytester.path / "report.json").results
    assert result.sources["head"] == "models.py:10"


def test_a_report_is_replaced(pytester):
    suite(pytester, HOLDS)
    path = pytester.path / "report.json"
    path.write_text("old " * 10_000)
    check(pytester, "--budget-report", "report.json")
    assert len(report(path).results) == 1


@pytest.mark.parametrize("times", [1, 2])
def test_the_same_file_twice_is_written_all_the_same(pytester, times):
    suite(pytester, HOLDS)
    assert check(pytester, *["--budget-report=report.json"] * times).ret == 0
    assert files(pytester.path) == ["report.json"]


# -- where it goes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ini", "options", "expected"),
    [
        (["here.json", "docs/here.md"], [], ["docs/here.md", "here.json"]),
        (["here.json"], ["--budget-report=there.json"], ["sub/there.json"]),
        ([], ["--budget-report=../there.json"], ["there.json"]),
        ([], ["--budget-report", "a.JSON", "--budget-report", "deep/er/b.Md"], ["sub/a.JSON", "sub/deep/er/b.Md"]),
    ],
)
def test_an_option_is_relative_to_where_pytest_was_called_an_ini_key_to_the_root(
    pytester, monkeypatch, ini, options, expected
):
    pytester.makeini("\n    ".join(["[pytest]\nbudget_report =", *ini]))
    suite(pytester, HOLDS, file="sub/test_cost.py")
    monkeypatch.chdir(pytester.path / "sub")
    assert check(pytester, *options).ret == 0
    assert files(pytester.path) == expected


def test_an_absolute_path_is_one(pytester, tmp_path_factory):
    path = tmp_path_factory.mktemp("elsewhere") / "report.md"
    suite(pytester, HOLDS)
    check(pytester, f"--budget-report={path}")
    assert "net" in path.read_text(encoding="utf-8")
    assert files(pytester.path) == []


@pytest.mark.parametrize("options", [["--collect-only"], ["--fixtures"], ["-k", "nothing"]])
def test_where_nothing_ran_there_is_no_report(pytester, options):
    suite(pytester, HOLDS)
    check(pytester, "--budget-report=report.json", *options)
    assert files(pytester.path) == []


def test_a_run_without_models_has_an_empty_report(pytester):
    """The job that is to read it finds a file."""
    suite(pytester, "def test_other(): pass")
    check(pytester, "--budget-report=report.json", "--budget-report=report.html")
    assert report(pytester.path / "report.json").results == ()
    assert "No model was measured." in (pytester.path / "report.html").read_text(encoding="utf-8")


# -- refused -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("report.jsn", "the suffix '.jsn' says no format. Allowed: .json, .md, .html, .txt (OpenMetrics). "
         "Did you mean '.json'?"),
        ("report.xml", "the suffix '.xml' says no format."),
        ("report", "no suffix says no format."),
        (".json", "no suffix says no format."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["option", "ini"])
def test_an_unknown_suffix_stops_the_run_before_it_begins(pytester, where, path, message):
    suite(pytester, "print('imported')" + HOLDS)
    if where == "ini":
        pytester.makeini(f"[pytest]\nbudget_report = {path}\n")
    result = check(pytester, "-s", "--budget-report=good.json", *[f"--budget-report={path}"] * (where == "option"))
    if where == "ini":  # an option takes the key's place
        assert result.ret == 0
        result = check(pytester, "-s")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"--budget-report {pytester.path / path}: {message}" in said(result)
    assert "imported" not in said(result)


PLACES = {
    "a folder in its place": ("folder.md", "Is a directory"),
    "a file in the place of its folder": ("models.py/report.md", "Not a directory"),
    "a name that is too long": (f"{'x' * 300}.md", "File name too long"),
}


@pytest.mark.parametrize(("path", "reason"), PLACES.values(), ids=PLACES)
def test_what_cannot_be_written_stops_the_run_before_it_begins(pytester, path, reason):
    suite(pytester, "print('imported')" + HOLDS)
    pytester.mkdir("folder.md")
    result = check(pytester, "-s", f"--budget-report={path}", "--budget-report=report.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"--budget-report {pytester.path / path}: the report cannot be written: {reason}" in said(result)
    assert "imported" not in said(result)
    assert files(pytester.path) == []


def test_a_page_without_jinja2_stops_the_run_before_it_begins(pytester, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    suite(pytester, "print('imported')" + HOLDS)
    result = check(pytester, "-s", "--budget-report=report.html")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "An HTML report needs jinja2: pip install pytest-modelbudget[html]" in said(result)
    assert "imported" not in said(result)
    assert check(pytester, "--budget-report=report.md").ret == 0


FULL_DISK = """
import os
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish():
    fsync, os.fsync = os.fsync, full
    try:
        return (yield)
    finally:
        os.fsync = fsync

def full(file):
    raise OSError(28, "No space left on device")
"""


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_report_that_could_not_be_finished_leaves_the_old_one(pytester, suffix):
    suite(pytester, HOLDS)
    (pytester.path / "conftest.py").write_text(FULL_DISK)
    path = pytester.path / f"report{suffix}"
    path.write_text("old")
    result = check(pytester, f"--budget-report={path}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert f"--budget-report {path}: the report cannot be written: No space left on device." in result.outlines
    assert path.read_text() == "old"
    assert files(pytester.path) == [path.name]
    said(result)


def test_a_baseline_that_cannot_be_written_does_not_keep_a_report_from_it(pytester):
    suite(pytester, HOLDS)
    result = check(pytester, "--budget-update", "--budget-baseline=no/such.json", "--budget-report=report.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert len(report(pytester.path / "report.json").results) == 1


# -- other processes ---------------------------------------------------------------------------------------------------

MANY = """
@pytest.mark.parametrize("res", range(8, 28))
@budget(flops="40k")
def test_net(res):
    return Net()
"""


APART = """
import os

def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):  # a worker that wrote would do so into a folder of its own
        os.mkdir(session.config.workerinput["workerid"])
        os.chdir(session.config.workerinput["workerid"])
"""


def test_with_xdist_the_controller_writes_what_a_run_without_it_does(pytester):
    """20 entries, of which some fail and one grew: to the byte, whichever worker had them first."""
    suite(pytester, MANY)
    check(pytester, "--budget-update")
    edit(pytester, "test_cost.py::test_net[9]", flops=100)
    before = baseline(pytester).read_bytes()
    (pytester.path / "conftest.py").write_text(APART)
    for folder, options in (("one", []), ("two", ["-n", "2"])):
        result = check(pytester, *options, *(f"--budget-report={folder}/report{suffix}" for suffix in FORMATS))
        assert result.parseoutcomes() == {"passed": 11, "failed": 9}  # 116 * 18 * 18 = 37584 is the last to hold
    assert sorted(path.name for path in pytester.path.glob("gw*")) == ["gw0", "gw1"]
    for suffix in FORMATS:
        one, two = (pytester.path / folder / f"report{suffix}" for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    assert [r.entry for r in report(two.with_suffix(".json")).results] == [
        f"test_cost.py::test_net[{res}]" for res in range(8, 28)
    ]
    names = [f"{folder}/report{suffix}" for folder in ("one", "two") for suffix in FORMATS]
    assert files(pytester.path) == sorted(["modelbudget.json", *names])
    assert baseline(pytester).read_bytes() == before
    assert json.loads(before)["entries"]["test_cost.py::test_net[9]"]["totals"]["flops"] == 100
