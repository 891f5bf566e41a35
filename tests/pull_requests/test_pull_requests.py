"""Pull requests on real architectures are played: the first row names what was edited, and its line, and why."""

from __future__ import annotations

import re
import shutil
from fractions import Fraction
from math import prod
from pathlib import Path

import pytest
from golden_files import check_golden
from pull_requests.cases import PULLS, Pull
from testing.recorded import check, only, record, said

from pytest_modelbudget.report.parts.cause import cause
from pytest_modelbudget.report.parts.description import named
from pytest_modelbudget.values.growth import Growth
from pytest_modelbudget.values.metrics import find_metric
from pytest_modelbudget.values.result import Result

NETWORKS = Path(__file__).parent / "networks"

TEST = """\
from {module} import *
from pytest_modelbudget import budget


@budget({budget})
def test_model():
    return {model}
"""


def played(pytester: pytest.Pytester, pull: Pull) -> pytest.RunResult:
    """Record the model as it was, edit it, and run the test again."""
    for file in NETWORKS.glob("*.py"):
        shutil.copy(file, pytester.path)
    pytester.syspathinsert()
    module, _, model = pull.model.partition(":")
    test = pytester.path / "test_cost.py"
    test.write_text(TEST.format(module=module, budget=pull.before, model=model))
    record(pytester)
    for name, old, new in pull.edits:
        file = pytester.path / name
        text = file.read_text()
        assert text.count(old) == 1, (name, old)
        file.write_text(text.replace(old, new))
    test.write_text(TEST.format(module=module, budget=pull.after, model=model))
    return check(pytester)


def message(run: pytest.RunResult) -> str:
    """What the failed test says."""
    (report,) = [r for r in run.reprec.getreports("pytest_runtest_logreport") if r.when == "call"]
    return f"{report.longreprtext.rstrip()}\n"


@pytest.mark.parametrize("name", PULLS)
def test_a_pull_request(pytester: pytest.Pytester, name: str) -> None:
    pull = PULLS[name]
    run = played(pytester, pull)
    assert run.parseoutcomes() == {"failed": 1}, said(run)
    result, text = only(run), message(run)
    growth = result.comparison.growth
    assert (growth.metric, result.verdict.worst) == (pull.metric, pull.metric)
    check_first_row(growth, pull, pytester.path)
    for one in (growth, *result.comparison.others):
        assert prod(factor.ratio for factor in one.factors) == Fraction(one.after, one.before)
        check_sum(one)
    check_sentence(growth, pull, text)
    check_golden(f"pull_requests/{re.sub('[^a-z0-9]+', '_', name.lower())}.txt", text)


def check_first_row(growth: Growth, pull: Pull, folder: Path) -> None:
    """The first row is the module that was edited, and its source the line."""
    first = growth.modules[0]
    assert re.match(rf"{re.escape(pull.module)}( |$)", named(first)), named(first)
    file, _, line = first.source.rpartition(":")
    assert pull.line in (folder / file).read_text().splitlines()[int(line) - 1]


def check_sum(growth: Growth) -> None:
    """What modules changed, and what follows from it, is all that the architecture's factor is."""
    if not find_metric(growth.metric).in_rows or growth.metric == "memory":
        return  # the peak is also of inputs and of the optimizer's state
    moved = sum(change.after - change.before for change in growth.modules)
    moved += growth.follows.after - growth.follows.before if growth.follows is not None else 0
    assert moved == growth.factors[0].after - growth.factors[0].before


def check_sentence(growth: Growth, pull: Pull, text: str) -> None:
    """One sentence says what changed, and it is the first of why."""
    sentence = cause(growth)
    assert pull.said in sentence
    (line,) = [line for line in text.splitlines() if line.startswith("cause  ")][:1]
    assert line == f"cause  {sentence}"
    assert text.index("cause  ") < text.index("why    ")


def test_one_change_of_several_entries_is_told_once(pytester: pytest.Pytester) -> None:
    """Two GPTs and two operating points fail by one line: the summary has its sentence once, and their names."""
    for file in NETWORKS.glob("*.py"):
        shutil.copy(file, pytester.path)
    pytester.syspathinsert()
    test = """\
import pytest
from gpt import GPT
from pytest_modelbudget import budget


@pytest.mark.parametrize("layers, width", [(12, 768), (24, 1024)])
@budget(batch=1, seq=128)
@budget(batch=2, seq=64)
def test_gpt(layers, width):
    return GPT(layers, width, heads=width // 64)


@budget(batch=1, seq=64)
def test_other():
    import torch
    return torch.nn.Linear(64, {width})
"""
    (pytester.path / "test_cost.py").write_text(
        test.format(width=8).replace("batch=1, seq=64)\ndef", "inputs=(1, 64))\ndef")
    )
    record(pytester)
    gpt = pytester.path / "gpt.py"
    gpt.write_text(gpt.read_text().replace("4 * width", "5 * width"))
    (pytester.path / "test_cost.py").write_text(
        test.format(width=9).replace("batch=1, seq=64)\ndef", "inputs=(1, 64))\ndef")
    )
    run = check(pytester, "--budget-report=r.md", "--budget-report=r.html", "--budget-report=r.json")
    assert run.parseoutcomes() == {"failed": 3}
    sentence = "transformer.h.*.mlp.c_fc changed: Linear("
    text = said(run)
    summary = text[text.index("model budgets") :]
    assert summary.count(sentence) == 1
    assert "one change, 4 entries: " + sentence in summary
    markdown = (pytester.path / "r.md").read_text()
    assert markdown.index("**One change, 4 entries**") < markdown.index("| entry |")
    assert "One change, 4 entries" in (pytester.path / "r.html").read_text()
    assert isinstance(only_results(run), list)


def only_results(run: pytest.RunResult) -> list[Result]:
    reports = run.reprec.getreports("pytest_runtest_logreport")
    return [Result.from_dict(data) for report in reports for data in getattr(report, "modelbudget", ())]
