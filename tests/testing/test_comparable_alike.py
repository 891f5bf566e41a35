"""What can be compared, and what cannot, is said alike by pytest, ``diff``, ``history`` and the action."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from testing.recorded import check, record, results, suite

from pytest_modelbudget.baseline.file import read, write
from pytest_modelbudget.baseline.schema import Baseline
from pytest_modelbudget.cli import main
from pytest_modelbudget.counting.pytorch.versions import SHARDED as FIRST_SHARDED
from pytest_modelbudget.counting.pytorch.versions import release
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

if release() < FIRST_SHARDED:
    CASES_HERE = {axis: case for axis, case in CASES.items() if "ranks=" not in case[0] + case[1]}
else:
    CASES_HERE = CASES


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


def written(when: int) -> str:
    """A test for each axis, named by it, as before (0) or now (1)."""
    return "\n".join(
        f"@budget({case[when]}, name='by-{axis}')\ndef test_{axis}(): ...\n" for axis, case in CASES_HERE.items()
    )


def test_alike(pytester, capsys):
    suite(pytester, written(0), MODEL)
    git("init", "-q")
    record(pytester)
    git("add", "-A")
    git("commit", "-qm", "before")
    recorded, fresh = pytester.path / "modelbudget.json", pytester.path / "now.json"
    suite(pytester, written(1), MODEL)
    checked = results(check(pytester))
    record(pytester, f"--budget-baseline={fresh}")
    old, new = read(recorded).entries, read(fresh).entries
    report = action(pytester.path, recorded)
    recorded.write_bytes(fresh.read_bytes())
    git("commit", "-qam", "now")

    for axis, (_, _, status) in CASES_HERE.items():
        name = f"by-{axis}"
        comparison = checked[name].comparison
        assert comparison.status == status, axis
        reason = f"counted with {axis} " if status == "not comparable" else ""
        assert comparison.reason.startswith(reason)
        assert bool(comparison.reason) == bool(reason)
        assert compare(old[name], new[name]).reason == comparison.reason
        said = [line for line in report.splitlines() if re.search(rf"\b{name}\b", line)]
        assert said, report
        assert any("not comparable" in line for line in said) == (status == "not comparable")
        assert comparison.reason in report
        write(pytester.path / "one.json", Baseline.of([old[name]]))
        write(pytester.path / "other.json", Baseline.of([new[name]]))
        code = main(["diff", "one.json", "other.json", "--fail-on", "0%"])
        text = capsys.readouterr().out
        assert ("not comparable" in text, comparison.reason in text) == (status == "not comparable", True)
        assert code == (0 if status == "not comparable" else 1)
        metric = next(one for one in old[name].totals if old[name].totals[one] != new[name].totals[one])
        assert main(["history", "--metric", metric, name]) == 0
        last = capsys.readouterr().out.rstrip().splitlines()[-1]
        assert ("not comparable: " + comparison.reason in last) == (status == "not comparable")
        assert bool(re.search(r"[+-]\d+ %", last)) == (status == "changed")
