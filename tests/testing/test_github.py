"""Under GitHub Actions: annotations at the markers' lines and the job's summary, and nothing of it anywhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from testing.recorded import NET, baseline, check, edit, record, said, suite

TEST = """
@budget(name="fine", batch=1, res=8, flops="1M")
def test_fine():
    return Net()

@budget(name="over", batch=1, res=8, flops="7k")
def test_over():
    return Net()

@pytest.mark.parametrize("res", [8, 16])
@budget(flops="8k")
def test_each(res):
    return Net()
"""
FINE = TEST[: TEST.index("\n@budget", 2)]


@pytest.fixture
def summary(pytester, monkeypatch) -> Path:
    """A job of GitHub Actions, to whose summary other steps have written."""
    path = pytester.path / "step-summary"
    path.write_text("Of another step.\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path))
    return path


def commands(result: pytest.RunResult) -> list[str]:
    """The lines that GitHub would take for workflow commands."""
    return [line for line in said(result).splitlines() if line.lstrip().startswith("::")]


def line_of(pytester: pytest.Pytester, text: str, file: str = "test_cost.py") -> int:
    """Where a test begins."""
    return (pytester.path / file).read_text().splitlines().index(text) + 1


@pytest.mark.parametrize("options", [[], ["-q"], ["-v"]], ids=["", "-q", "-v"])
def test_failing_budgets_are_annotated_where_their_markers_stand(pytester, summary, options):
    suite(pytester, TEST)
    result = check(pytester, *options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    each = line_of(pytester, '@pytest.mark.parametrize("res", [8, 16])')
    over = line_of(pytester, '@budget(name="over", batch=1, res=8, flops="7k")')
    assert commands(result) == [  # the furthest above its limit first; 116 * 256 = 29696 FLOPs
        f"::error file=test_cost.py,line={each},title=Model budget%3A test_cost.py%3A%3Atest_each[16]"
        "::over budget: flops 29.7 k of 8 k (+271 %25)",
        f"::error file=test_cost.py,line={over},title=Model budget%3A over::over budget: flops 7.42 k of 7 k (+6 %25)",
    ]


def test_an_annotation_says_why_it_grew(pytester, summary):
    suite(pytester, TEST.replace(', flops="7k"', ""))
    check(pytester, "--budget-update")
    edit(pytester, "over", flops=6400)
    suite(pytester, TEST.replace(', flops="7k"', ""), NET.replace("4, 10", "4, 20"))
    (command,) = (line for line in commands(check(pytester)) if "title=Model budget%3A over" in line)
    message = command.rpartition("::")[2].split("%0A")
    assert re.fullmatch(r"above its baseline: flops 9.98 k, was 6.4\d* k \(\+56 %25, tolerance 0 %25\)", message[0])
    assert message[1] == "1.56x since the baseline = architecture 1.56x * batch 1.00x * resolution 1.00x"
    assert message[2].startswith("changed head: Conv2d(4, 10, 1) -> Conv2d(4, 20, 1), flops +2.56 k, models.py:")


@pytest.mark.parametrize("test", [FINE, TEST], ids=["on pass", "on failure"])
def test_the_report_is_added_to_the_summary(pytester, summary, test):
    suite(pytester, test)
    check(pytester)
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("Of another step.\n")
    assert text.count("### Model budgets") == 1
    assert "fine" in text
    assert ("over budget" in text) == (test is TEST)
    check(pytester)  # a second step
    assert summary.read_text(encoding="utf-8").count("### Model budgets") == 2


def test_a_summary_is_made_where_there_is_none(pytester, summary):
    summary.unlink()
    suite(pytester, FINE)
    assert check(pytester).ret == 0
    assert "### Model budgets" in summary.read_text(encoding="utf-8")


def test_what_passes_is_not_annotated(pytester, summary):
    suite(pytester, FINE)
    assert commands(check(pytester)) == []


@pytest.mark.parametrize("value", [None, "", "false", "1"])
def test_anywhere_else_there_is_nothing_of_it(pytester, summary, monkeypatch, value):
    """GitHub says ``true``."""
    monkeypatch.delenv("GITHUB_ACTIONS")
    if value is not None:
        monkeypatch.setenv("GITHUB_ACTIONS", value)
    suite(pytester, TEST)
    assert commands(check(pytester)) == []
    assert summary.read_text() == "Of another step.\n"


def test_without_a_summary_there_are_annotations(pytester, summary, monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    suite(pytester, TEST)
    assert len(commands(check(pytester))) == 2
    assert summary.read_text() == "Of another step.\n"


@pytest.mark.parametrize("test", [FINE, TEST], ids=["on pass", "on failure"])
def test_a_summary_that_cannot_be_written_changes_nothing_but_is_said(pytester, summary, monkeypatch, test):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path))
    suite(pytester, test)
    result = check(pytester)
    assert result.ret == (pytest.ExitCode.OK if test is FINE else pytest.ExitCode.TESTS_FAILED)
    assert f"GITHUB_STEP_SUMMARY={pytester.path}: Is a directory" in result.outlines
    said(result)


@pytest.mark.parametrize(
    ("workspace", "file"),
    [
        ("repository", "part/test_cost.py"),
        ("repository/part", "test_cost.py"),
        ("somewhere else", "test_cost.py"),
        (None, "test_cost.py"),
    ],
)
def test_a_file_is_named_from_the_root_of_the_repository(pytester, summary, monkeypatch, workspace, file):
    monkeypatch.delenv("GITHUB_WORKSPACE")
    if workspace is not None:
        monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path / workspace))
    suite(pytester, TEST, file="repository/part/test_cost.py")
    monkeypatch.chdir(pytester.path / "repository/part")
    Path("pytest.ini").write_text("[pytest]\n")  # the root of the run
    assert {command.split(",")[0] for command in commands(check(pytester))} == {f"::error file={file}"}


def test_a_run_that_measured_nothing_adds_nothing(pytester, summary):
    suite(pytester, "def test_other(): pass")
    check(pytester)
    check(pytester, "--collect-only")
    assert summary.read_text() == "Of another step.\n"


def test_a_damaged_baseline_is_no_reason_to_say_nothing(pytester, summary):
    """The tests that asked the fixture have been measured all the same."""
    suite(pytester, "def test_alone(model_cost): model_cost(Net, batch=1, res=8)")
    baseline(pytester).write_text("{")
    result = check(pytester)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "modelbudget.json:1:" in said(result)
    assert "### Model budgets" in summary.read_text(encoding="utf-8")


def test_names_come_out_inert(pytester, summary):
    """A pull request chooses its names: none of them may command GitHub, nor break out of a table."""
    name = "x\\n::error::mine\\r::set-env name=A::b%0A::warning::<script>|`"
    suite(pytester, f'@budget(name="{name}", batch=1, res=8, flops="7k")\ndef test_over(): return Net()')
    (command,) = commands(check(pytester))
    assert command.startswith(
        "::error file=test_cost.py,line=6,title=Model budget%3A x\\n%3A%3Aerror%3A%3Amine\\r%3A%3A"
    )
    text = summary.read_text(encoding="utf-8")
    assert "<script>" not in re.sub(r"(`+).*?\1(?!`)", "", text)  # in code it is text
    assert not re.search(r"^::", text, re.MULTILINE)


def test_an_update_is_annotated_by_its_limits_only(pytester, summary):
    suite(pytester, TEST.replace(', flops="7k"', "").replace("8k", "1M"))
    record(pytester)
    edit(pytester, "over", flops=1)
    assert commands(record(pytester)) == []
