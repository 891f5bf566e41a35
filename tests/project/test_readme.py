"""Every code block of the README does what the README says, and its links lead on from the package index, too."""

from __future__ import annotations

import pytest
import suites  # noqa: F401 - loads what a measurement loads, which a run in this process would forget
import torchvision.models  # noqa: F401
from pages import README, assert_is_there, blocks, commands


def of(language: str) -> list[str]:
    return [block.text for block in blocks(README) if block.language == language]


def test_every_block_is_of_a_language_that_is_tested_here():
    assert {block.language for block in blocks(README)} <= {"python", "console", "text"}
    assert (len(of("python")), len(of("text"))) == (1, 2)


def budget_at(res: int) -> str:
    (first,) = of("python")
    assert "res=224" in first
    return first.replace("res=224", f"res={res}")


def test_the_first_budget_prints_what_the_readme_shows(pytester):
    pytester.makepyfile(test_cost=budget_at(224))
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
    assert of("text")[0] in result.stdout.str()


def test_the_doubled_resolution_is_stopped_with_the_message_the_readme_shows(pytester):
    pytester.makepyfile(test_cost=budget_at(448))
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    assert of("text")[1] in result.stdout.str()


@pytest.mark.parametrize("command", [one for b in blocks(README) if b.language == "console" for one, _ in commands(b)])
def test_commands_name_things_that_are_there(command):
    tool, *arguments = command.split()
    assert_is_there(tool, arguments)
