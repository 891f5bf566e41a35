"""``modelbudget report``: a JSON report as a page, as Markdown and as OpenMetrics, written whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import report_samples as samples
from cli import review_samples as review
from report_samples import G, M

from pytest_modelbudget.cli.command import main
from pytest_modelbudget.report.formats.html.document import render as to_html
from pytest_modelbudget.report.formats.json import render as to_json
from pytest_modelbudget.report.formats.markdown import render as to_markdown
from pytest_modelbudget.report.formats.openmetrics import render as to_openmetrics
from pytest_modelbudget.values.run import SCHEMA

RENDERED = {
    "html": to_html(samples.REPORT),
    "md": to_markdown(samples.REPORT),
    "txt": to_openmetrics(samples.REPORT),
}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The report of the samples as ``results.json``, in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = Path("results.json")
    path.write_text(to_json(samples.REPORT), encoding="utf-8")
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command complains about: exit code 2, nothing printed, and nothing written."""
    before = sorted(path.name for path in Path().iterdir())
    assert main(["report", *arguments]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert sorted(path.name for path in Path().iterdir()) == before
    assert found.err.startswith("modelbudget: ")
    return found.err.removeprefix("modelbudget: ").rstrip("\n")


@pytest.mark.parametrize("kinds", [["html"], ["md"], ["txt"], ["html", "md", "txt"]], ids=",".join)
@pytest.mark.usefixtures("results")
def test_each_option_writes_its_format(capsys, kinds):
    """A report of failing budgets is written as any other: rendering is not judging, so the exit code is 0."""
    options = [part for kind in kinds for part in (f"--{kind}", f"out.{kind}")]
    assert main(["report", "results.json", *options]) == 0
    assert capsys.readouterr().out.splitlines() == [f"report: out.{kind}" for kind in kinds]
    assert {path.name for path in Path().iterdir()} == {"results.json", *(f"out.{kind}" for kind in kinds)}
    for kind in kinds:
        assert Path(f"out.{kind}").read_text(encoding="utf-8") == RENDERED[kind]


@pytest.mark.usefixtures("results")
def test_the_option_says_the_format_and_not_the_suffix():
    assert main(["report", "results.json", "--html", "a.md", "--md", "comment", "--txt", "b.html"]) == 0
    assert Path("a.md").read_text(encoding="utf-8") == RENDERED["html"]
    assert Path("comment").read_text(encoding="utf-8") == RENDERED["md"]
    assert Path("b.html").read_text(encoding="utf-8") == RENDERED["txt"]


@pytest.mark.usefixtures("results")
def test_a_folder_is_made_and_an_older_report_replaced():
    for _ in range(2):
        assert main(["report", "results.json", "--md", "new/folder/out.md"]) == 0
    assert [path.name for path in Path("new/folder").iterdir()] == ["out.md"]
    assert Path("new/folder/out.md").read_text(encoding="utf-8") == RENDERED["md"]


@pytest.mark.usefixtures("results")
def test_a_link_stays_a_link():
    Path("real").mkdir()
    Path("out.md").symlink_to("real/out.md")
    assert main(["report", "results.json", "--md", "out.md"]) == 0
    assert Path("out.md").is_symlink()
    assert Path("real/out.md").read_text(encoding="utf-8") == RENDERED["md"]


@pytest.mark.usefixtures("results")
def test_nothing_to_write(capsys):
    assert refused(capsys, "results.json") == (
        "Nothing to write. Say --html FILE, --md FILE or --txt FILE (OpenMetrics)."
    )


@pytest.mark.parametrize("twice", [["--html", "x", "--md", "./x"], ["--html", "results.json"], ["--md", "link.json"]])
@pytest.mark.usefixtures("results")
def test_one_file_for_two_things(capsys, twice):
    """Reports do not overwrite one another, nor what they are made of, by whatever name."""
    Path("link.json").symlink_to("results.json")
    assert refused(capsys, "results.json", *twice).startswith("One file is named twice")


BASELINE = review.text(review.entry("a", G, M))
GOOD = to_json(samples.REPORT)
BAD = [
    ("empty", "", "bad.json:1: the file is empty"),
    ("cut", GOOD[: len(GOOD) // 2], "damaged JSON"),
    ("a baseline", BASELINE, "bad.json:1: the file: a baseline, where a report belongs"),
    ("newer", GOOD.replace(f'"schema": {SCHEMA}', '"schema": 7'), "bad.json:3: schema: 7 was written by a newer"),
    (
        "a wrong word",
        GOOD.replace('"executed": "meta"', '"executed": "maybe"', 1),
        "results > 1 > cost > executed: \"maybe\" where one of 'meta', 'real' belongs",
    ),
    ("deep", "[" * 100_000, "nested too deeply"),
    ("a number", "7", "bad.json:1: the file: 7 where an object belongs"),
]


@pytest.mark.parametrize(("text", "said"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
@pytest.mark.usefixtures("results")
def test_a_bad_file_gives_one_clear_message(capsys, text, said):
    Path("bad.json").write_text(text, encoding="utf-8")
    message = refused(capsys, "bad.json", "--html", "out.html", "--md", "out.md")
    assert said in message
    assert message.startswith("bad.json:")
    assert len(message.splitlines()) == 2  # what is wrong, and what to do


def test_files_that_cannot_be_read(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert refused(capsys, "no.json", "--md", "x.md") == "no.json cannot be read: No such file or directory."
    assert refused(capsys, ".", "--md", "x.md") == ". cannot be read: Is a directory."


@pytest.mark.usefixtures("results")
def test_files_that_cannot_be_written(capsys):
    """The other report is there: each is written by itself, after all of them were rendered."""
    Path("folder").mkdir()
    assert main(["report", "results.json", "--html", "out.html", "--md", "folder"]) == 2
    assert capsys.readouterr().err == "modelbudget: --md folder: the report cannot be written: Is a directory.\n"
    assert Path("out.html").read_text(encoding="utf-8") == RENDERED["html"]
    assert {path.name for path in Path().iterdir()} == {"results.json", "folder", "out.html"}


@pytest.mark.usefixtures("results")
def test_a_format_that_cannot_be_made_writes_none(capsys, monkeypatch):
    """Without jinja2 there is no page, and then no Markdown either: the first error is the only thing to see."""
    from pytest_modelbudget.report.formats.html import document

    document._environment.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    message = refused(capsys, "results.json", "--md", "out.md", "--html", "out.html")
    assert message == "An HTML report needs jinja2: pip install pytest-modelbudget[html]"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.usefixtures("results")
def test_a_pipe_is_read_as_a_file_is():
    os.mkfifo("pipe")
    writer = threading.Thread(target=lambda: Path("pipe").write_text(GOOD, encoding="utf-8"))
    writer.start()
    assert main(["report", "pipe", "--md", "out.md"]) == 0
    writer.join()
    assert Path("out.md").read_text(encoding="utf-8") == RENDERED["md"]


@pytest.mark.usefixtures("results")
def test_torch_is_not_loaded():
    code = "import sys; from pytest_modelbudget.cli import main; main(sys.argv[1:]); print('torch' in sys.modules)"
    call = [sys.executable, "-c", code, "report", "results.json", "--html", "a", "--md", "b", "--txt", "c"]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
