"""Every code block of the README does what the README says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest
import tomllib

from pytest_modelbudget.cli import main

ROOT = Path(__file__).parents[1]


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
    assert {block.language for block in blocks()} <= {"python", "console", "text", "ini"}


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


@pytest.mark.parametrize("code", of("ini"))
def test_ini(code, pytester):
    pytester.makeini(code)
    pytester.makepyfile(test_cost=first_budget())
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def commands() -> list[str]:
    return [
        line[2:] for b in blocks() if b.language == "console" for line in b.text.splitlines() if line.startswith("$ ")
    ]


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("modelbudget ")])
def test_commands_of_ours_succeed(command, capsys):
    assert main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out


def test_other_commands_name_things_that_are_there():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    others = [shlex.split(c) for c in commands() if not c.startswith("modelbudget ")]
    assert others
    for tool, *arguments in others:
        if tool == "make":
            assert re.search(rf"^{arguments[0]}:", makefile, re.MULTILINE)
        else:
            assert (tool, *arguments) == ("pip", "install", project["name"])
