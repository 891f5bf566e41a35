"""The worked pull request plays to its end, leaves the texts that are kept, and its README shows what it does."""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

REVIEW = Path(__file__).parents[1] / "examples" / "review"
sys.path.insert(0, str(REVIEW))
from play import LIMITS, normal  # noqa: E402

EXPECTED = REVIEW / "expected"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one play, with what it printed in ``transcript.txt``."""
    folder = tmp_path_factory.mktemp("review") / "with a space"
    command = [sys.executable, str(REVIEW / "play.py"), str(folder)]
    hostile = {**os.environ, "GIT_DIR": "/nowhere", "GITHUB_ACTIONS": "true", "PYTEST_ADDOPTS": "--collect-only"}
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, env=hostile)
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "transcript.txt").write_text(done.stdout, encoding="utf-8")
    return folder


def same_as_kept(path: Path, text: str) -> None:
    """Compare with a file of examples/review; MODELBUDGET_GOLDEN=write accepts what there is now."""
    if os.environ.get("MODELBUDGET_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert normal(text) == normal(path.read_text("utf-8"))


def git(repository: Path, *arguments: str) -> str:
    """What git says of a repository, whichever one the tests run in."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True, env=clean).stdout


def test_what_it_prints_is_what_is_kept(played):
    same_as_kept(EXPECTED / "transcript.txt", normal((played / "transcript.txt").read_text("utf-8")))


def test_the_markdown_it_leaves_is_what_is_kept(played):
    same_as_kept(EXPECTED / "report.md", normal((played / "repository" / "report.md").read_text("utf-8")))


def test_the_text_of_the_page_it_leaves_is_what_is_kept(played):
    page = (played / "repository" / "report.html").read_text("utf-8")
    same_as_kept(EXPECTED / "report.html.txt", normal(text_of(page)))


@pytest.mark.parametrize(
    ("commit", "kept"), [("main^1", REVIEW / "base" / "modelbudget.json"), ("main", EXPECTED / "modelbudget.json")]
)
def test_the_baselines_it_commits_are_what_is_kept(played, commit, kept):
    same_as_kept(kept, git(played / "repository", "show", f"{commit}:modelbudget.json"))


def test_it_leaves_the_change_merged_and_committed(played):
    repository = played / "repository"
    status = git(repository, "status", "--porcelain")
    assert status.split() == ["??", "report.html", "??", "report.json", "??", "report.md"]
    assert (repository / "test_cost.py").read_text("utf-8") == accepted_test()
    assert (repository / "model.py").read_text("utf-8") == (REVIEW / "head" / "model.py").read_text("utf-8")


def test_a_step_that_does_something_else_fails_the_play(tmp_path):
    """The same example, but for a change that costs nothing: the gate does not stop it, and the play says so."""
    copy = tmp_path / "review"
    for version in ("base", "head"):
        (copy / version).mkdir(parents=True)
        for source in (REVIEW / "base").iterdir():
            if source.is_file():
                (copy / version / source.name).write_bytes(source.read_bytes())
    (copy / "play.py").write_bytes((REVIEW / "play.py").read_bytes())
    done = subprocess.run([sys.executable, str(copy / "play.py")], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert "FAILED: pytest --no-header -rN --budget-report" in done.stderr
    assert "exit code 0, want 1" in done.stderr


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
