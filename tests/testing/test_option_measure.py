"""``--budget-measure`` and ``budget_measure``: the step is also run for real, beside the prediction."""

from __future__ import annotations

import json

import pytest
import torch
from testing.recorded import check, only, record, said, suite

from pytest_modelbudget.report.formats.json import from_json

TEST = """
@budget(batch=2, res=8, memory="1MiB")
def test_a():
    return Net()
"""
IMAGE = 2 * 8 * 8 * 4
"""Bytes of one channel of two images of 8 x 8, in float32."""

PEAK = 4 * (12 + 32 + 32 + 40) + (3 + 4 + 8 + 8) * IMAGE
"""By hand: the weights; and while ReLU runs the image, what the body was called with, what ReLU reads and makes."""

REPORT = ("--budget-report", "report.json")


@pytest.fixture(autouse=True)
def _without_gpu(monkeypatch):
    """The step runs on the CPU wherever the tests do."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def reported(pytester):
    """The costs in the JSON report, each read back whole."""
    report = from_json((pytester.path / "report.json").read_bytes(), "report.json")
    return [result.cost for result in report.results]


def measured(result):
    """What the summary says of the one entry, and where in it each measured figure is."""
    _, _, entry = said(result).partition("test_cost.py::test_a  ")
    text = " ".join(entry.partition("\n\n")[0].split())
    return text, {title: text.index(title) for title in ("measured memory", "measured time")}


def test_it_is_off(pytester):
    suite(pytester, TEST)
    result = check(pytester, *REPORT, "-v")
    assert result.ret == 0
    (cost,) = reported(pytester)
    assert (cost.measured, cost.memory) == (None, PEAK)
    assert "measured memory" not in said(result)
    assert "measured time" not in said(result)


def assert_measured(pytester, result):
    assert result.ret == 0
    (cost,) = reported(pytester)
    assert (cost.memory, cost.measured.device, cost.measured.memory) == (PEAK, "cpu", PEAK)
    assert cost.measured.nanoseconds > 0
    row, starts = measured(result)
    assert list(starts) == sorted(starts, key=starts.__getitem__)
    assert "exactly" in row


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_on(pytester, options):
    suite(pytester, TEST)
    assert_measured(pytester, check(pytester, "--budget-measure", *REPORT, *options))


def test_the_fields_of_the_json_report(pytester):
    suite(pytester, TEST)
    check(pytester, "--budget-measure", *REPORT)
    text = (pytester.path / "report.json").read_text()
    (found,) = list(_all(json.loads(text), "measured"))
    assert sorted(found) == ["device", "memory", "nanoseconds", "runs"]


def _all(value, key):
    """Every value under ``key``, however deep."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name == key:
                yield item
            else:
                yield from _all(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _all(item, key)


@pytest.mark.parametrize(
    ("ini", "option", "on"),
    [
        ("true", [], True),
        ("on", [], True),
        ("false", [], False),
        ("0", [], False),
        ("", [], False),
        ("false", ["--budget-measure"], True),
    ],
)
def test_the_ini_key(pytester, ini, option, on):
    pytester.makeini(f"[pytest]\nbudget_measure = {ini}\n")
    suite(pytester, TEST)
    result = check(pytester, *option)
    assert result.ret == 0
    assert (only(result).cost.measured is not None) is on


def test_a_wrong_ini_value_is_refused(pytester):
    pytester.makeini("[pytest]\nbudget_measure = sometimes\n")
    suite(pytester, TEST)
    result = check(pytester)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "budget_measure = sometimes: allowed are true and false." in said(result)


def test_a_training_step(pytester):
    suite(pytester, TEST.replace("res=8", "res=8, mode='train', optimizer='sgd'"))
    result = check(pytester, "--budget-measure")
    assert result.ret == 0
    cost = only(result).cost
    assert cost.measured.memory == cost.memory


def test_the_fixture(pytester):
    suite(pytester, "def test_a(model_cost):\n    model_cost(Net, batch=2, res=8)\n")
    record(pytester)
    result = check(pytester, "--budget-measure")
    assert result.ret == 0
    assert only(result).cost.measured.memory == PEAK


def test_only_the_budget_itself_is_run_for_real(pytester, monkeypatch):
    """What would fit is found by counting at other sizes, of which none is run."""
    from pytest_modelbudget.counting import measure

    runs = []
    real_run = measure.real_run
    monkeypatch.setattr(measure, "real_run", lambda *request: runs.append("run") or real_run(*request))
    suite(pytester, TEST.replace("1MiB", "10KiB").replace("batch=2", "batch=5"))
    result = check(pytester, "--budget-measure")
    assert "fits " in said(result)
    assert len(runs) == 1


def test_what_was_measured_is_not_recorded(pytester):
    """The time of a machine has no place in a file that is compared."""
    suite(pytester, TEST)
    record(pytester)
    plain = (pytester.path / "modelbudget.json").read_text()
    record(pytester, "--budget-measure")
    assert (pytester.path / "modelbudget.json").read_text() == plain


def test_a_real_run_that_fails_is_said(pytester):
    """A run was asked for, so one that cannot be made is a failure with its reason."""
    net = """
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 4, 1)

        def forward(self, image):
            if not image.is_meta:
                raise ArithmeticError("not with numbers")
            return self.layer(image)
    """
    suite(pytester, TEST, net)
    assert check(pytester).ret == 0
    result = check(pytester, "--budget-measure")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "not with numbers" in said(result)
