"""The pages of the manual do what they say: their code blocks are played, and what they name is there."""

from __future__ import annotations

import math
import re
import shlex
import shutil
from pathlib import Path

import pytest
import suites  # noqa: F401 - loads what a measurement loads, which a run in this process would forget
import torchvision.models  # noqa: F401
from golden_files import golden
from pages import DOCS, ROOT, SHOWN, Page, blocks, commands

from pytest_modelbudget import __all__ as public
from pytest_modelbudget.cli.command import main

PAGES = sorted(page for page in DOCS.rglob("*.md") if page.parent.name != "howto")
"""Those of the ecosystems are played in tests/ecosystem, with their packages."""


def name(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


@pytest.mark.parametrize("page", [page for page in PAGES if {b.language for b in blocks(page)} - SHOWN], ids=name)
def test_page(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Page(page, tmp_path, capsys).play()


def test_every_fence_is_seen():
    """A fence that is written in another way would not be played."""
    for page in DOCS.rglob("*.md"):
        assert len(re.findall("^```", page.read_text(encoding="utf-8"), re.MULTILINE)) == 2 * len(blocks(page)), page


def shown(page: str) -> list[str]:
    return [block.text for block in blocks(DOCS / page) if block.language == "text"]


def test_the_factors_it_shows_multiply():
    found = re.fullmatch(r"why    ([\d.]+)x since the baseline = (.*)\n", shown("baseline.md")[0])
    factors = [float(factor) for factor in re.findall(r"([\d.]+)x", found[2])]
    assert len(factors) == 3
    assert math.prod(factors) == pytest.approx(float(found[1]), rel=0.005)  # each is rounded to 0.01


def test_the_cause_it_shows_is_that_of_the_pull_request():
    assert shown("baseline.md")[1] in golden("pull_requests/widen_the_mlp_of_a_vit_of_24_layers.txt")


def of_options() -> list[str]:
    return [command for block in blocks(DOCS / "options.md") for command, _ in commands(block) if block.note]


@pytest.mark.parametrize("command", [one for one in of_options() if one.startswith("modelbudget count ")])
def test_counts_succeed(command, capsys):
    assert main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out


def test_the_commands_on_files_do_what_they_say_in_a_project_with_a_history(pytester, capsys):
    """A budget without limits: recorded, committed, changed, recorded again."""
    code = next(block.text for block in blocks(DOCS / "index.md") if block.language == "python")
    code = code.replace('flops="4.2G", params="26M", ', "")
    pytester.run("git", "init", "-q")
    for res in ("224", "256"):
        pytester.makepyfile(test_cost=code.replace("res=224", f"res={res}"))
        reports = ("--budget-update", "--budget-report=report.json")
        assert pytester.runpytest_inprocess("-p", "no:cacheprovider", *reports).ret == 0
        pytester.run("git", "add", "-A")
        pytester.run("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", f"res {res}")
        Path("modelbudget.json").replace({"224": "OLD.json", "256": "NEW.json"}[res])
    shutil.copy("NEW.json", "modelbudget.json")
    capsys.readouterr()
    codes = {c: main(shlex.split(c)[1:]) for c in of_options() if re.match("modelbudget (diff|history|report)", c)}
    assert {command.split()[1]: code for command, code in codes.items()} == {"diff": 1, "history": 0, "report": 0}
    assert "+31 %" in capsys.readouterr().out  # (256 / 224)² = 1.306


def test_the_reference_has_every_public_name():
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^::: pytest_modelbudget\S*\.(\w+)$", text, re.MULTILINE))
    assert documented == set(public) - {"budget", "__version__"}


@pytest.mark.parametrize("example", sorted((ROOT / "examples/ci").glob("*.yml")), ids=lambda file: file.name)
def test_the_manual_shows_every_workflow(example):
    """As it is: the page takes the file, and links to it for those who read the page elsewhere."""
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("ci/*.md"))
    assert f'--8<-- "examples/ci/{example.name}"' in text
    assert f"(../../examples/ci/{example.name})" in text
