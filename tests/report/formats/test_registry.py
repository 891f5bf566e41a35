"""The registry of formats: the suffix says the format; options, flags, messages and the manual name every one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import report_samples as samples

from pytest_modelbudget.cli.command import main
from pytest_modelbudget.errors import UsageError
from pytest_modelbudget.report.formats import FORMATS, JSON, Format, find_format, markdown, write_report

PAGE = Path(__file__).parents[3] / "docs/reports.md"


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("r.json", '{\n "format": "modelbudget-report"'),
        ("r.md", "<!-- modelbudget -->"),
        ("r.html", "<!DOCTYPE html>"),
        ("r.HTML", "<!DOCTYPE html>"),
        ("r.txt", "# TYPE modelbudget_report info"),
        ("new/folder/r.md", "<!-- modelbudget -->"),
    ],
)
def test_suffix(tmp_path: Path, name: str, begins: str) -> None:
    write_report(tmp_path / name, samples.REPORT)
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert text.startswith(begins)
    assert text.endswith("\n")
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [Path(name).name]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "r.htm",
            "the suffix '.htm' says no format. Allowed: .json, .md, .html, .txt (OpenMetrics). Did you mean '.html'?",
        ),
        ("r.xml", "the suffix '.xml' says no format"),
        ("report", "no suffix says no format"),
        (".json", "no suffix says no format"),
    ],
)
def test_unknown_suffix(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        write_report(tmp_path / name, samples.REPORT)
    assert says in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_known_suffixes() -> None:
    assert [one.suffix for one in FORMATS] == [".json", ".md", ".html", ".txt"]
    assert find_format(Path("a.b.MD")).render(samples.REPORT) == markdown.render(samples.REPORT)


def test_a_format_is_loaded_when_it_is_used() -> None:
    code = (
        "import sys\nfrom pytest_modelbudget.report.formats import FORMATS, __name__ as here\n"
        "loaded = [one.module for one in FORMATS if f'{here}.{one.module}' in sys.modules]\n"
        "print(loaded, 'jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] False\n"


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.option)
def test_every_format_is_named_wherever_formats_are(one: Format, pytester, capsys) -> None:
    """The option of pytest, its error, the flags of the command (which reads JSON) and the manual."""
    assert one.noted(one.suffix) in " ".join(pytester.runpytest("--help").stdout.str().split())
    with pytest.raises(UsageError) as caught:
        find_format(Path("r.xml"))
    assert one.noted(one.suffix) in str(caught.value)
    with pytest.raises(SystemExit):
        main(["report", "--help"])
    assert (f"--{one.option} FILE" in capsys.readouterr().out) is (one is not JSON)
    assert one.suffix in PAGE.read_text(encoding="utf-8")
