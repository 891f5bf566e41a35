"""What can be compared, and what cannot, is said alike by pytest, ``diff``, ``history`` and the action."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from testing.recorded import check, only, record, suite

from pytest_modelbudget.baseline.file import read
from pytest_modelbudget.cli import main
from pytest_modelbudget.judging.comparison import compare
from pytest_modelbudget.values.point import axes

MODEL = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, channels=3):
        super().__init__()
        self.stem = nn.Conv2d(channels, 8, 1)
        self.head = nn.Linear(8, 4)

    def forward(self, image):
        tokens = self.stem(image).flatten(2).transpose(1, 2).unsqueeze(1)
        return self.head(nn.functional.scaled_dot_product_attention(tokens, tokens, tokens))

    def again(self, image):
        return self(image) + self(image)

    def loss_of(self, image):
        return self(image).sum() + self(image).mean()


def of_channels(channels):
    return Net(channels)


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 8)
        self.head = nn.Linear(8, 8)

    def forward(self, ids):
        return self.head(self.embed(ids))
"""

IMAGE, TRAIN, WORDS = "model=Net, res=8", "model=Net, res=8, mode='train'", "model=Words, seq=4"
SHARDED = f"{TRAIN}, parallel='fsdp', ranks=2"
CASES = {
    "optimizer": (f"{TRAIN}, optimizer='adamw'", f"{TRAIN}, optimizer='sgd'", "not comparable"),
    "device": (TRAIN, f"{TRAIN}, device='cuda'", "not comparable"),
    "amp": (TRAIN, f"{TRAIN}, amp='bf16'", "not comparable"),
    "attention": (IMAGE, f"{IMAGE}, attention='math'", "not comparable"),
    "dtype": (IMAGE, f"{IMAGE}, dtype='bf16'", "not comparable"),
    "mode": (IMAGE, TRAIN, "not comparable"),
    "method": ("model=Net, res=8, method='again'", IMAGE, "not comparable"),
    "step": (f"{TRAIN}, step='loss_of', optimizer='adamw'", TRAIN, "not comparable"),
    "accumulate": (f"{TRAIN}, accumulate=2", f"{TRAIN}, accumulate=4", "changed"),
    "ranks": (SHARDED, f"{TRAIN}, parallel='fsdp', ranks=4", "changed"),
    "rank": (SHARDED, f"{SHARDED}, rank=1, batch=2", "not comparable"),
    "parallel": (SHARDED, TRAIN, "changed"),
    "link": (f"{SHARDED}, device='H100'", f"{SHARDED}, device='H100', link='PCIe', batch=2", "not comparable"),
    "channels_last": (IMAGE, f"{IMAGE}, channels_last=True, batch=2", "not comparable"),
    "compile": (IMAGE, f"{IMAGE}, compile=True, batch=2", "not comparable"),
    "batch": (IMAGE, f"{IMAGE}, batch=2", "changed"),
    "res": (IMAGE, "model=Net, res=16", "changed"),
    "seq": (WORDS, "model=Words, seq=8", "changed"),
    "channels": (
        "model=of_channels, res=8, channels=3",
        "model=of_channels, res=8, channels=5",
        "changed",
    ),
}
"""For each axis: what was recorded, what is measured now, and what that is. The factor of growth decides."""


def test_every_axis_is_in_the_table():
    assert set(CASES) == {axis.name for axis in axes()}
    for axis in axes():
        assert (CASES[axis.name][2] == "changed") == bool(axis.factor)


def git(*arguments: str) -> None:
    names = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *names, *arguments], check=True, capture_output=True)


def action(folder: Path, baseline: Path) -> str:
    """What the action's report for the pull request says."""
    environment = {
        **os.environ,
        "RUNNER_TEMP": str(folder / "runner"),
        "GITHUB_OUTPUT": str(folder / "output"),
        "MODELBUDGET_COMMAND": f"{sys.executable} -m pytest -p no:cacheprovider",
        "MODELBUDGET_BASELINE": str(baseline),
        "MODELBUDGET_FAIL_ON": "0%",
    }
    (folder / "runner").mkdir()
    gate = Path(__file__).parents[2] / "action/gate.py"
    run = subprocess.run([sys.executable, str(gate)], env=environment, cwd=folder, capture_output=True, text=True)
    assert run.returncode == 1, run.stdout + run.stderr
    return (folder / "runner/modelbudget/report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("axis", CASES)
def test_alike(pytester, capsys, axis):
    before, now, status = CASES[axis]
    suite(pytester, f"@budget({before}, name='net')\ndef test_net(): ...\n", MODEL)
    git("init", "-q")
    record(pytester)
    git("add", "-A")
    git("commit", "-qm", "before")
    recorded = pytester.path / "modelbudget.json"

    suite(pytester, f"@budget({now}, name='net')\ndef test_net(): ...\n", MODEL)
    comparison = only(check(pytester)).comparison
    assert comparison.status == status
    reason = f"counted with {axis} " if status == "not comparable" else ""
    assert comparison.reason.startswith(reason)
    assert bool(comparison.reason) == bool(reason)

    fresh = pytester.path / "now.json"
    record(pytester, f"--budget-baseline={fresh}")
    assert compare(read(recorded).entries["net"], read(fresh).entries["net"]).reason == comparison.reason
    capsys.readouterr()
    code = main(["diff", str(recorded), str(fresh), "--fail-on", "0%"])
    text = capsys.readouterr().out
    assert ("not comparable" in text, comparison.reason in text) == (status == "not comparable", True)
    assert code == (0 if status == "not comparable" else 1)

    old, new = read(recorded).entries["net"].totals, read(fresh).entries["net"].totals
    metric = next(name for name in old if old[name] != new[name])
    report = action(pytester.path, recorded)
    assert ("not comparable" in report, comparison.reason in report) == (status == "not comparable", True)

    recorded.write_bytes(fresh.read_bytes())
    git("commit", "-qam", "now")
    assert main(["history", "--metric", metric]) == 0
    last = capsys.readouterr().out.rstrip().splitlines()[-1]
    assert ("not comparable: " + comparison.reason in last) == (status == "not comparable")
    assert bool(re.search(r"[+-]\d+ %", last)) == (status == "changed")
