"""``modelbudget calibrate``: the device at hand is measured, its file is taken by ``device=``, and damage is named."""

from __future__ import annotations

import json

import pytest
from suites import outcomes
from torch import nn

from pytest_modelbudget import UsageError, measure
from pytest_modelbudget.cli.command import main
from pytest_modelbudget.counting.calibrating import run as calibrating
from pytest_modelbudget.counting.calibrating.models import Small
from pytest_modelbudget.report.formats.json import from_json
from pytest_modelbudget.values import own_device
from pytest_modelbudget.values.devices import find_device

SMALL = (
    Small("narrow", lambda: nn.Sequential(nn.Linear(64, 64), nn.ReLU()), (64,), (2, 8)),
    Small("wide", lambda: nn.Sequential(nn.Linear(64, 256), nn.GELU()), (64,), (4,)),
)


@pytest.fixture
def card(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(calibrating, "SMALL", SMALL)
    path = tmp_path / "my-card.json"
    assert main(["calibrate", str(path), "--name", "bench", "--seconds", "0"]) == 0
    return path, capsys.readouterr().out


def test_each_model_is_shown_predicted_and_measured(card):
    path, out = card
    lines = out.splitlines()
    assert lines[0].split() == ["model", "step", "batch", "predicted", "measured", "error"]
    assert [line.split()[:3] for line in lines if line.startswith(("narrow", "wide"))] == [
        [name, mode, batch]
        for mode in ("infer", "train")
        for name, batch in (("narrow", "2"), ("narrow", "8"), ("wide", "4"))
    ]
    assert "bench: each model as predicted by the others, median error" in out
    assert f"device={str(path)!r}" in out


def test_estimates_by_it_say_whose_they_are(card):
    path, _ = card
    cost = measure(lambda: nn.Linear(64, 64), inputs=("batch", 64), batch=4, device=str(path))
    assert cost.throughput.device == str(path)
    assert cost.latency > 0
    assert cost.throughput.accuracy.card == "bench"
    assert cost.throughput.accuracy.own
    assert cost.footprint is None  # a CPU has no allocator of CUDA
    device = find_device(str(path))
    assert device.kind == "cpu"
    assert {fit.way.mode for fit in device.own.fits} == {"infer", "train"}


def test_a_report_is_read_where_the_file_is_not(card, tmp_path, pytester):
    """The device stays a name; only which modules take the time is not told there, which the file would say."""
    path, _ = card
    source = f"""
        from pytest_modelbudget import budget
        from torch import nn

        @budget(latency="1ns", inputs=("batch", 64), batch=4, device={str(path)!r})
        def test_it():
            return nn.Sequential(nn.Linear(64, 64))
    """
    pytester.makepyfile(source)
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "--budget-report=r.json")
    told = pytester.path / "r.json"
    there = from_json(told.read_bytes(), "r.json")
    path.unlink()
    read = from_json(told.read_bytes(), "r.json")
    assert read == there
    assert read.results[0].cost.point.device == read.results[0].cost.throughput.device == str(path)
    for option in ("md", "html", "txt"):
        assert main(["report", str(told), f"--{option}", str(tmp_path / "read")]) == 0
        assert "my-card.json" in (tmp_path / "read").read_text(encoding="utf-8")


def test_a_path_is_relative_to_the_root_of_pytest_and_to_the_folder_of_a_table(card, pytester, monkeypatch, capsys):
    """As other paths of a marker and of a table are, whichever the current folder is; elsewhere it is that."""
    path, _ = card
    (pytester.path / "card.json").write_bytes(path.read_bytes())
    source = """
        from pytest_modelbudget import budget
        from torch import nn

        @budget(latency="1s", inputs=("batch", 64), batch=4, device="./card.json")
        def test_it():
            return nn.Linear(64, 64)
    """
    pytester.makeini("[pytest]")
    test = pytester.makepyfile(source)
    table = pytester.path / "modelbudget.toml"
    table.write_text(
        '[tool.modelbudget.budgets."torch.nn:Identity"]\ninputs = ["batch", 64]\nbatch = 4\nparams = 0\n'
        'device = "./card.json"\n',
        encoding="utf-8",
    )
    inside = pytester.mkdir("inside")
    monkeypatch.chdir(inside)
    assert outcomes(pytester.runpytest_inprocess("-p", "no:cacheprovider", str(test))) == {"passed": 1}
    assert main(["check", "--file", str(table)]) == 0
    monkeypatch.setattr(own_device, "_FOLDERS", [])  # outside of pytest
    with pytest.raises(UsageError, match=r"cannot be read in .*inside: No such file"):
        find_device("./card.json")


def test_a_file_that_is_damaged_or_not_there_is_named(card):
    path, _ = card
    whole = path.read_text(encoding="utf-8")
    for changed, says in (
        (whole[:-20], "is not JSON: line"),
        (json.dumps({**json.loads(whole), "format": "x"}), "is no calibration: format"),
        (json.dumps({**json.loads(whole), "device": {}}), "is no calibration: device: the field 'name' is missing"),
    ):
        path.with_name("other.json").write_text(changed, encoding="utf-8")
        with pytest.raises(UsageError, match=says):
            find_device(str(path.with_name("other.json")))
        path.with_name("other.json").unlink()
        find_device(str(path))
    with pytest.raises(UsageError, match="modelbudget calibrate"):
        find_device(str(path.with_name("none.json")))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["card.txt"], "is not the name of a calibration"),
        (["card.json", "--seconds", "-1"], "is not from 0 to 60"),
        (["no/such/folder/card.json", "--seconds", "0"], "cannot be written"),
    ],
)
def test_wrong_usage(arguments, says, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(calibrating, "SMALL", SMALL[:2])
    monkeypatch.chdir(tmp_path)
    assert main(["calibrate", *arguments]) == 2
    assert says in capsys.readouterr().err
