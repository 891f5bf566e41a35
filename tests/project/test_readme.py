"""Every code block of the README does what the README says."""

from __future__ import annotations

import math
import re
import shlex
import shutil
from importlib.metadata import metadata
from pathlib import Path
from typing import NamedTuple

import pytest
import suites  # noqa: F401 - loads what a measurement loads, which a run in this process would forget
import torchvision.models  # noqa: F401
from golden_files import golden

from pytest_modelbudget.cli.command import main

ROOT = Path(__file__).parents[2]


class Block(NamedTuple):
    language: str
    text: str
    line: int


def blocks() -> list[Block]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(m[1], m[2], text[: m.start()].count("\n") + 1) for m in found]


def of(language: str) -> list[pytest.ParameterSet]:
    return [pytest.param(block.text, id=f"line {block.line}") for block in blocks() if block.language == language]


def test_every_block_is_of_a_language_that_is_tested_here():
    assert {block.language for block in blocks()} <= {"python", "console", "text", "ini", "toml"}


@pytest.mark.parametrize("code", of("python"))
def test_python(code, pytester):
    if "def test_" in code:
        pytester.makepyfile(test_cost=code)
        result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
        assert result.ret == 0
        assert result.parseoutcomes()["passed"] == code.count("def test_") + 2 * code.count('("res", [128, 224, 256])')
    else:
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


def first_budget() -> str:
    return next(block.text for block in blocks() if block.language == "python")


def text_blocks() -> list[str]:
    return [block.text for block in blocks() if block.language == "text"]


def test_the_first_budget_prints_what_the_readme_shows(pytester):
    pytester.makepyfile(test_cost=first_budget())
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
    assert text_blocks()[0] in result.stdout.str()


def test_the_doubled_resolution_is_stopped_with_the_message_the_readme_shows(pytester):
    changed = first_budget().replace("res=224", "res=448")
    assert changed != first_budget()
    pytester.makepyfile(test_cost=changed)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    assert text_blocks()[1] in result.stdout.str()


def test_the_factors_it_shows_multiply():
    found = re.fullmatch(r"why    ([\d.]+)x since the baseline = (.*)\n", text_blocks()[2])
    factors = [float(factor) for factor in re.findall(r"([\d.]+)x", found[2])]
    assert len(factors) == 3
    assert math.prod(factors) == pytest.approx(float(found[1]), rel=0.005)  # each is rounded to 0.01


def test_the_cause_it_shows_is_that_of_the_pull_request():
    assert text_blocks()[3] in golden("pull_requests/widen_the_mlp_of_a_vit_of_24_layers.txt")


@pytest.mark.parametrize("code", of("ini"))
def test_ini(code, pytester):
    pytester.makeini(code)
    pytester.makepyfile(test_cost=first_budget())
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


@pytest.mark.parametrize("table", of("toml"))
def test_tables_hold_under_pytest_and_the_command(table, pytester, capsys):
    pytester.makepyprojecttoml(table)
    assert pytester.runpytest_inprocess("-p", "no:cacheprovider").parseoutcomes() == {"passed": 2}
    capsys.readouterr()
    assert main(["check"]) == 0
    assert capsys.readouterr().out.count("within budget") == 3


def commands() -> list[str]:
    return [
        line[2:] for b in blocks() if b.language == "console" for line in b.text.splitlines() if line.startswith("$ ")
    ]


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("modelbudget count ")])
def test_counts_succeed(command, capsys):
    assert main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out


def test_the_other_commands_do_what_they_say_in_a_project_with_a_history(pytester, capsys):
    """The first budget without its limits: recorded, committed, changed, recorded again."""
    code = first_budget().replace('flops="4.2G", params="26M", ', "")
    assert code != first_budget()
    pytester.makepyfile(test_cost=code)
    pytests = [shlex.split(c)[1:] for c in commands() if c.startswith("pytest ") and "--budget-write" not in c]
    assert ["--budget-update"] in pytests
    pytester.run("git", "init", "-q")
    for change in ("224", "256"):
        pytester.makepyfile(test_cost=code.replace("res=224", f"res={change}"))
        for arguments in pytests:
            assert pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments).ret == 0
        pytester.run("git", "add", "-A")
        pytester.run("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", f"res {change}")
        Path("modelbudget.json").replace({"224": "OLD.json", "256": "NEW.json"}[change])
    shutil.copy("NEW.json", "modelbudget.json")
    capsys.readouterr()
    codes = {c: main(shlex.split(c)[1:]) for c in commands() if re.match("modelbudget (diff|history|report)", c)}
    assert len(codes) == 3
    assert {command.split()[1]: code for command, code in codes.items()} == {"diff": 1, "history": 0, "report": 0}
    assert "+31 %" in capsys.readouterr().out  # (256 / 224)² = 1.306


def test_other_commands_name_things_that_are_there():
    distribution = metadata("pytest-modelbudget")["Name"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    others = [shlex.split(c) for c in commands() if c.split()[0] not in ("modelbudget", "pytest")]
    assert others
    for tool, *arguments in others:
        if tool == "make":
            assert re.search(rf"^{arguments[0]}:", makefile, re.MULTILINE)
        else:
            assert (tool, *arguments) == ("pip", "install", distribution)
