"""A limit on memory, from the marker to every report.

The peaks of ``Net`` for 8 rows, by hand. Weights: 2 * 64 * 256 of 4 bytes, 128 KiB; the input 2 KiB. Inference: while
ReLU runs, what it reads and what it makes, 8 KiB each, are alive: 146 KiB. Training: ReLU's output stays for backward.
There, when the gradient of ``up`` is made, both gradients (128 KiB), that of its output (8 KiB), the loss and its own
gradient (4 bytes each) are alive beside weights and input: 266 KiB and 8 bytes. The step of SGD needs nothing beside
weights and gradients; that of AdamW has two states (256 KiB and two counts of 4 bytes) and, at the second weight, the
denominator of the first, the root and the quotient (64 KiB each); with input, weights and gradients, 258 KiB, these are
706 KiB and 8 bytes.
"""

from __future__ import annotations

import json
import re

import pytest
from golden_files import check_golden
from suites import failure
from testing.recorded import check, edit, entries, only, record, said, suite

from pytest_modelbudget import measure
from pytest_modelbudget.cli.command import main

MODELS = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(64, 256, bias=False)
        self.down = nn.Linear(256, 64, bias=False)

    def forward(self, rows):
        return self.down(self.up(rows).relu())


class Attends(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.MultiheadAttention(64, 4, batch_first=True)

    def forward(self, tokens):
        return self.layer(tokens, tokens, tokens, need_weights=False)[0]


def wide(output):
    return torch.cat([output] * 200).sum()
"""

KIB = 1024
INFER, SGD, ADAMW = 146 * KIB, 266 * KIB + 8, 706 * KIB + 8
ROWS = 'model=Net, inputs=("batch", 64), batch=8'
TRAIN = f'{ROWS}, mode="train"'


def one_test(budget: str) -> str:
    return f"@budget({budget})\ndef test_it(): ...\n"


# -- limits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "peak"),
    [
        (ROWS, INFER),
        (f'{TRAIN}, optimizer="none"', SGD),
        (f'{TRAIN}, optimizer="sgd"', SGD),
        (f'{TRAIN}, optimizer="adamw"', ADAMW),
        (TRAIN, ADAMW),  # the default
    ],
)
def test_at_the_limit_it_passes_and_one_byte_above_it_fails(pytester, given, peak):
    suite(pytester, one_test(f"{given}, memory={peak}"), MODELS)
    result = check(pytester)
    assert result.parseoutcomes() == {"passed": 1}
    assert only(result).cost.memory == peak
    suite(pytester, one_test(f"{given}, memory={peak - 1}"), MODELS)
    result = check(pytester)
    assert result.parseoutcomes() == {"failed": 1}
    assert "over budget: memory" in said(result)


def test_the_message(pytester):
    suite(pytester, one_test(f'{ROWS}, memory="140KiB"'), MODELS)
    check_golden("over_in_memory.txt", failure(check(pytester)) + "\n")


def test_the_message_of_a_training_step(pytester):
    suite(pytester, one_test(f'{TRAIN}, optimizer="sgd", memory="200KiB"'), MODELS)
    check(pytester).stdout.fnmatch_lines(
        [
            "over budget: memory 266 KiB of 200 KiB (+33 %)*",
            "Net at batch 8, train with sgd. *",
            "peak memory 266 KiB, in backward, in up (peaks: forward 146 KiB, backward 266 KiB, optimizer 258 KiB)",
            "*weights * 128 KiB *48 %",
            "*inputs * 2 KiB *1 %",
            "*gradients * 128 KiB *48 %",
            "*temporaries * 8 KiB *3 %",
        ]
    )


def test_another_counter_measured_nothing(pytester):
    pytester.makeini("[pytest]\nbudget_counter = fvcore\n")
    suite(pytester, one_test(f'{ROWS}, memory="1GiB"'), MODELS)
    result = check(pytester)
    assert result.parseoutcomes() == {"failed": 1}
    assert "measured nothing: the counter 'fvcore' does not know memory" in said(result)


@pytest.mark.parametrize("value", ['"3 GFLOPs"', '"2M params"', '"-1MiB"', "-1", '"much"', '"3ms"'])
def test_a_limit_that_is_not_in_bytes_is_refused(pytester, value):
    suite(pytester, one_test(f"{ROWS}, memory={value}"), MODELS)
    result = check(pytester)
    assert result.ret in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.TESTS_FAILED)
    assert "memory=" in said(result)


# -- how it is trained: the marker, the fixture, the command -----------------------------------------------------------

HOW = [
    ("Net", {}, '("batch", 64)', ["batch,64"]),
    ("Net", {"mode": "train", "optimizer": "momentum"}, '("batch", 64)', ["batch,64"]),
    ("Net", {"mode": "train", "optimizer": "sgd", "amp": "bf16"}, '("batch", 64)', ["batch,64"]),
    ("Net", {"mode": "train", "device": "cuda"}, '("batch", 64)', ["batch,64"]),
    ("Attends", {"attention": "math"}, '("batch", 12, 64)', ["batch,12,64"]),
    ("Attends", {"mode": "train", "attention": "math"}, '("batch", 12, 64)', ["batch,12,64"]),
    ("Attends", {"mode": "train"}, '("batch", 12, 64)', ["batch,12,64"]),
]


def code(how):
    return "".join(f", {name}={value!r}" for name, value in how.items())


@pytest.mark.parametrize(("model", "how", "inputs", "shapes"), HOW, ids=lambda value: str(value)[:60])
def test_all_ways_to_ask_agree(pytester, capsys, model, how, inputs, shapes):
    """The marker, the fixture, the API and the command line measure the same."""
    given = f"inputs={inputs}, batch=8{code(how)}"
    suite(
        pytester,
        f"@budget(model={model}, memory='1GiB', {given})\ndef test_marker(): ...\n"
        f"def test_fixture(model_cost):\n    assert model_cost({model}, {given}).memory\n"
        f"def test_api():\n"
        f"    import json, pathlib\n"
        f"    from pytest_modelbudget import measure\n"
        f"    cost = measure({model}, {given})\n"
        f"    pathlib.Path('cost.json').write_text(json.dumps(cost.to_dict()))\n",
        MODELS,
    )
    result = check(pytester)
    assert result.parseoutcomes() == {"passed": 3}
    expected = json.loads((pytester.path / "cost.json").read_text())
    reports = result.reprec.getreports("pytest_runtest_logreport")
    found = [data["cost"] for report in reports for data in getattr(report, "modelbudget", ())]
    capsys.readouterr()
    options = [f"--{name}={value}" for name, value in how.items()]
    assert main(["count", "models.py:" + model, f"--inputs={shapes[0]}", "--batch=8", "--json", *options]) == 0
    found.append(json.loads(capsys.readouterr().out))
    assert len(found) == 3
    for cost in found:
        assert (cost["memory"], cost["peak"], cost["flops"]) == (
            expected["memory"],
            expected["peak"],
            expected["flops"],
        )
        assert cost["point"] == expected["point"]


def test_each_of_them_counts(pytester):
    """What is asked for makes a difference, in the direction that it must."""
    suite(
        pytester,
        """
        def test_it(model_cost):
            def peak(model=Net, shape=("batch", 64), **how):
                return model_cost(model, inputs=shape, batch=8, **how).memory
            long = dict(model=Attends, shape=("batch", 64, 64))
            none, sgd, momentum, adamw = (
                peak(mode="train", optimizer=name) for name in ("none", "sgd", "momentum", "adamw")
            )
            assert none == sgd < momentum < adamw
            assert momentum - sgd == 128 * 1024
            assert peak(**long) < peak(attention="math", **long)
            assert peak(mode="train", **long) < peak(mode="train", attention="math", **long)
            assert peak(mode="train", optimizer="sgd", amp="bf16") != sgd
            assert peak(mode="train", optimizer="sgd", loss=wide) > sgd
            assert peak(mode="train", optimizer=lambda p: torch.optim.SGD(p, momentum=0.9)) == momentum
        """,
        MODELS,
    )
    assert check(pytester).parseoutcomes() == {"passed": 1}


def test_a_loss_in_the_marker(pytester):
    """By hand: weights, input, ReLU's output, that of the model, 200 times that, and the loss."""
    suite(pytester, one_test(f'{TRAIN}, optimizer="none", loss=wide, memory="1MiB"'), MODELS)
    cost = only(check(pytester)).cost
    assert cost.memory == (128 + 2 + 8 + 2 + 400) * KIB + 4
    assert cost.peak.phase == "forward"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ('mode="train", loss=lambda output: output', "not a scalar tensor"),
        ('mode="train", loss=3', "loss=3 is not a loss"),
        ('mode="train", optimizer="adamm"', "'adamw'"),
        ('mode="train", optimizer=lambda params: 3', "not an optimizer"),
        ('optimizer="sgd"', "optimizer= is for a training step. Add mode='train'"),
        ('amp="int8"', "amp='int8'"),
        ('attention="flash"', "attention='flash' is not a way to keep attention"),
    ],
)
def test_a_wrong_one_is_one_clear_message(pytester, wrong, says):
    suite(pytester, one_test(f"{ROWS}, {wrong}, memory='1GiB'"), MODELS)
    result = check(pytester)
    assert result.ret != 0
    assert says in said(result)


def test_an_optimizer_of_ones_own_is_recorded_and_read_back(pytester):
    """All that a report or baseline can say of a callable is its name."""
    suite(pytester, one_test(f"{TRAIN}, optimizer=lambda p: torch.optim.SGD(p, momentum=0.9)"), MODELS)
    record(pytester)
    result = check(pytester, "--budget-report", "report.json")
    assert result.parseoutcomes() == {"passed": 1}
    assert only(result).cost.point.optimizer == "<lambda>"
    assert only(result).comparison.status == "same"


# -- the command ------------------------------------------------------------------------------------------------------


def test_count_of_a_training_step(pytester, capsys):
    """FLOPs by hand: 8 * 64 * 256 a product; two forward, backward one for each weight and one for what is between."""
    pytester.makepyfile(models=MODELS)
    options = ["--inputs", "batch,64", "--batch", "8", "--mode", "train", "--optimizer", "sgd"]
    assert main(["count", "models.py:Net", *options]) == 0
    check_golden("count_train.txt", capsys.readouterr().out)


# -- the baseline ------------------------------------------------------------------------------------------------------


def recorded_training(pytester):
    suite(pytester, one_test(f'{TRAIN}, optimizer="sgd"'), MODELS)
    record(pytester)


def test_the_baseline_has_it(pytester):
    recorded_training(pytester)
    (entry,) = entries(pytester).values()
    assert entry.totals["memory"] == SGD
    assert entry.point.optimizer == "sgd"
    assert only(check(pytester)).comparison.status == "same"


def test_more_than_the_baseline_fails(pytester):
    recorded_training(pytester)
    (name,) = entries(pytester)
    totals = dict(entries(pytester)[name].totals)
    edit(pytester, name, totals={**totals, "memory": SGD - 1})
    result = check(pytester)
    assert result.parseoutcomes() == {"failed": 1}
    assert re.search(r"regressed: memory|memory .*baseline", said(result))
    edit(pytester, name, totals={**totals, "memory": SGD + 1})
    assert check(pytester).parseoutcomes() == {"passed": 1}


@pytest.mark.parametrize(
    "other",
    [
        TRAIN + ', optimizer="adamw"',
        TRAIN + ', optimizer="sgd", amp="bf16"',
        TRAIN + ', optimizer="sgd", device="cuda"',
        ROWS,
    ],
)
def test_another_way_to_train_is_not_comparable(pytester, other):
    recorded_training(pytester)
    suite(pytester, one_test(other), MODELS)
    result = check(pytester)
    assert only(result).comparison.status not in ("same", "changed")
    assert "not comparable" in said(result)


def test_it_is_what_the_api_says(pytester, monkeypatch):
    pytester.makepyfile(models=MODELS)
    monkeypatch.syspath_prepend(pytester.path)
    import models

    assert measure(models.Net, inputs=("batch", 64), batch=8).memory == INFER
