"""The worked pull request plays to its end, leaves the texts that are kept, and its README shows what it does."""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from golden_files import check_golden

REVIEW = Path(__file__).parents[2] / "examples" / "review"
sys.path.insert(0, str(REVIEW))
from play import LIMITS, normal  # noqa: E402

EXPECTED = REVIEW / "expected"


def git(repository: Path, *arguments: str) -> str:
    """What git says of a repository, whichever one the tests run in."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True, env=clean).stdout


KEPT = {
    EXPECTED / "transcript.txt": lambda folder: normal((folder / "transcript.txt").read_text("utf-8")),
    EXPECTED / "report.md": lambda folder: normal((folder / "repository" / "report.md").read_text("utf-8")),
    EXPECTED / "report.html.txt": lambda folder: normal(
        text_of((folder / "repository" / "report.html").read_text("utf-8"))
    ),
    EXPECTED / "modelbudget.json": lambda folder: git(folder / "repository", "show", "main:modelbudget.json"),
    REVIEW / "base" / "modelbudget.json": lambda folder: git(folder / "repository", "show", "main^1:modelbudget.json"),
}
"""The files of examples/review that a play makes, and how to have them from the folder that it leaves."""


def test_the_play_leaves_what_is_kept(tmp_path):
    """One play, whatever surrounds it."""
    folder = tmp_path / "with a space"
    command = [sys.executable, str(REVIEW / "play.py"), str(folder)]
    hostile = {**os.environ, "GIT_DIR": "/nowhere", "GITHUB_ACTIONS": "true", "PYTEST_ADDOPTS": "--collect-only"}
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, env=hostile)
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "transcript.txt").write_text(done.stdout, encoding="utf-8")
    for path, of_folder in KEPT.items():
        check_golden(path, of_folder(folder), alike=normal)
    assert_merged_and_committed(folder / "repository")


def assert_merged_and_committed(repository: Path) -> None:
    """The accepted change is on main, and nothing but the reports lies beside it."""
    beside = git(repository, "status", "--porcelain").splitlines()
    assert beside == ["?? report.html", "?? report.json", "?? report.md"]
    assert git(repository, "show", "main:test_cost.py") == accepted_test()
    assert git(repository, "show", "main:model.py") == (REVIEW / "head" / "model.py").read_text("utf-8")


def test_a_step_that_does_something_else_fails_the_play(tmp_path):
    """The same example with a limit that main does not keep to: its first run fails, and so does the play."""
    copy = tmp_path / "review"
    shutil.copytree(REVIEW, copy, ignore=shutil.ignore_patterns("__pycache__"))
    test = copy / "base" / "test_cost.py"
    test.write_text(test.read_text("utf-8").replace("2.5G", "2.3G"), encoding="utf-8")
    done = subprocess.run([sys.executable, str(copy / "play.py")], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert done.stderr == "FAILED: pytest --no-header -rN --budget-update: exit code 1, want 0; not said: []\n"


def accepted_test() -> str:
    return (REVIEW / "head" / "test_cost.py").read_text("utf-8").replace(*LIMITS)


# The README.


def blocks(language: str) -> list[str]:
    text = (REVIEW / "README.md").read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def transcript() -> str:
    return (EXPECTED / "transcript.txt").read_text("utf-8")


def test_every_block_of_the_readme_is_of_a_language_that_is_tested_here():
    text = (REVIEW / "README.md").read_text("utf-8")
    assert set(re.findall(r"^```(\w+)$", text, re.MULTILINE)) == {"console", "text", "python", "diff"}


@pytest.mark.parametrize("block", blocks("text"))
def test_the_readme_shows_what_is_printed(block):
    assert f"\n{block}" in transcript()


@pytest.mark.parametrize("block", blocks("console"))
def test_the_readme_calls_what_is_called(block):
    assert block == "$ python examples/review/play.py\n" or f"\n{block}" in transcript()


@pytest.mark.parametrize("block", blocks("python"))
def test_the_readme_shows_the_test_of_main(block):
    assert block in (REVIEW / "base" / "test_cost.py").read_text("utf-8")


def test_the_readme_shows_the_lines_that_change():
    model, test = changed("model.py"), changed("test_cost.py")
    limits = difference((REVIEW / "head" / "test_cost.py").read_text("utf-8"), accepted_test())
    shown = [block.splitlines() for block in blocks("diff")]
    assert len(shown) == 3
    assert set(shown[0]) < set(model)
    assert [*shown[1], *shown[2]] == [*test, *limits]


def test_the_links_of_the_readme_lead_somewhere():
    links = re.findall(r"\]\((.*?)\)", (REVIEW / "README.md").read_text("utf-8"))
    assert links
    assert [link for link in links if not (REVIEW / link).exists()] == []


def changed(name: str) -> list[str]:
    return difference(*((REVIEW / version / name).read_text("utf-8") for version in ("base", "head")))


def difference(before: str, after: str) -> list[str]:
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))[2:]
    return [line for line in lines if not line.startswith("@@")]


class _Text(HTMLParser):
    """What a page says, one line for each block and each row of a table, but for its pictures."""

    LINES = frozenset({"h1", "h2", "h3", "p", "div", "tr", "li", "caption", "figcaption", "summary", "details"})
    SILENT = frozenset({"style", "script", "head", "svg"})

    def __init__(self) -> None:
        super().__init__()
        self.lines = [""]
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._silent += tag in self.SILENT
        self.lines += [""] if tag in self.LINES else []
        self.lines[-1] += " | " if tag in ("td", "th") and self.lines[-1] else ""

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in self.SILENT
        self.lines += [""] if tag in self.LINES else []

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.lines[-1] += f" {data.strip()}" if data.strip() else ""


def text_of(page: str) -> str:
    parser = _Text()
    parser.feed(page)
    parser.close()
    return "\n".join(" ".join(line.split()) for line in parser.lines if line.strip()) + "\n"


def test_the_baselines_have_the_multiply_adds_that_the_net_has_by_hand():
    files = REVIEW / "base" / "modelbudget.json", EXPECTED / "modelbudget.json"
    before, after = (json.loads(path.read_text("utf-8"))["entries"] for path in files)
    assert before["test_cost.py::test_unet"]["totals"]["macs"] == macs(256, context=False)
    assert after["test_cost.py::test_unet"]["totals"]["macs"] == macs(384, context=True)
    assert before["test_cost.py::test_triage"] == after["test_cost.py::test_triage"]


def macs(side: int, *, context: bool) -> int:
    """Multiply-adds of the net on a square photograph, by hand: outputs, times inputs, times the kernel, each pixel."""

    def block(inputs: int, outputs: int) -> int:
        return 9 * inputs * outputs + 9 * outputs * outputs

    def up(inputs: int, outputs: int) -> int:  # a 2 x 2 transposed convolution: each new pixel has one old one
        return inputs * outputs + block(2 * outputs, outputs)

    full = block(3, 16) + up(32, 16) + (9 if context else 1) * 16 * 4
    half = block(16, 32) + up(64, 32)
    quarter = block(32, 64) + up(128, 64)
    eighth = block(64, 128) + (3 * 9 * 128 * 128 if context else 0)
    return side * side * full + side**2 // 4 * half + side**2 // 16 * quarter + side**2 // 64 * eighth
