"""An axis is one field and a metric one row: throw-away ones, added to a copy of the package, reach every room.

The copy gets a subclass of the table of axes with two fields more, a table of metrics with one row more, a line for
each in the public signatures, and what computes the metric. Then the marker, the fixture, the API, the command, the
baseline, all reports and the comparison know them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_modelbudget

PACKAGE = Path(pytest_modelbudget.__file__).parent

FIELD = '''

@dataclass(frozen=True)
class OperatingPoint(OperatingPoint):  # type: ignore[no-redef]
    """With frames, which is compared by a factor, and with a shutter, which is not."""

    frames: int | None = axis(
        Whole(), "frames of a clip", ordered=True, by_name=True, factor="frames", title="frames", start=(1, 2, 4)
    )
    shutter: str | None = axis(Choice(("rolling", "global"), "a shutter"), "how a frame is taken")
'''
ROW = """

TABLE = (*TABLE, Metric("layers", units.counts("layers"), "layers", "Modules without children.", in_modules=False))
"""
IMPLEMENTATION = """

def _layers(self):
    inside = {name.rpartition(".")[0] for name in self.modules if name}
    return sum(name not in inside for name in self.modules)


Cost.layers = property(_layers)
"""
SIGNATURE = {"class Arguments(Settings": "    frames: int\n    shutter: str\n", "class Limits(": "    layers: Limit\n"}

MODEL = """
import torch
from torch import nn


class Clip(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 5)
        self.second = nn.Linear(5, 4)

    def forward(self, clip):
        return self.second(self.first(clip))


def clip(batch, frames):
    return torch.zeros(batch, frames, 6)
"""

TESTS = """
import pytest
from models import Clip, clip
from pytest_modelbudget import budget, fit, measure, sweep

INPUTS = ("batch", "frames", 6)

@budget(model=Clip, inputs=INPUTS, layers=2, flops=50 * {frames}, frames={frames}{more}, name="marker")
def test_marker(): ...

@pytest.mark.parametrize("frames", [{frames}])
@budget(model=Clip, inputs=clip, flops=50 * {frames}, name="parametrized")
def test_parametrized(frames): ...

@budget(model=Clip, inputs=INPUTS, frames={frames}{more}, name="unlimited")
def test_unlimited(): ...

def test_fixture(model_cost):
    cost = model_cost(Clip, inputs=INPUTS, frames={frames}, name="fixture")
    assert (cost.flops, cost.layers, cost.metric("layers")) == (50 * {frames}, 2, 2)

def test_api():
    assert str(measure(Clip, inputs=INPUTS, frames=3, batch=2).point) == "batch 2, infer, frames 3"
    cells = list(sweep(Clip, inputs=INPUTS, batch=[1, 2], frames="2:4", metrics="flops,layers"))
    assert [(cell.point.batch, cell.point.frames, cell.values["flops"]) for cell in cells] == [
        (batch, frames, 50 * batch * frames) for frames in (2, 3, 4) for batch in (1, 2)
    ]
    assert {{cell.values["layers"] for cell in cells}} == {{2}}
    found = fit(Clip, inputs=INPUTS, batch=1, frames="1:64", flops=50 * 20)
    assert found.found[0].point.frames == 20
"""


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copied")
    package = folder / PACKAGE.name
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for file, more in (("values/point.py", FIELD), ("values/metrics.py", ROW), ("values/cost.py", IMPLEMENTATION)):
        with (package / file).open("a", encoding="utf-8") as text:
            text.write(more)
    signatures = package / "values/arguments.py"
    text = signatures.read_text(encoding="utf-8")
    for place, lines in SIGNATURE.items():
        head, found, tail = text.partition(place)
        begin = tail.index('"""\n\n') + len('"""\n\n')
        text = head + found + tail[:begin] + lines + tail[begin:]
    signatures.write_text(text, encoding="utf-8")
    return folder


def run(copied: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "GITHUB"))}
    environment = {**kept, "PYTHONPATH": f"{copied}{os.pathsep}{folder}"}
    command = [sys.executable, "-W", "ignore", "-m", *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


def suite(folder: Path, frames: int, more: str = "") -> None:
    (folder / "models.py").write_text(MODEL, encoding="utf-8")
    (folder / "test_clip.py").write_text(TESTS.format(frames=frames, more=more), encoding="utf-8")


def check(copied: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    return run(copied, folder, "pytest", "-p", "no:cacheprovider", *options)


def test_marker_fixture_api_baseline_reports_and_comparison(copied, tmp_path):
    suite(tmp_path, 4)
    recorded = check(copied, tmp_path, "--budget-update")
    assert recorded.returncode == 0, recorded.stdout
    entry = json.loads((tmp_path / "modelbudget.json").read_text())["entries"]["marker"]
    assert (entry["point"]["frames"], entry["totals"]["layers"]) == (4, 2)
    assert "shutter" not in entry["point"]  # what few points have is there only if they have it

    suite(tmp_path, 8)
    reports = [f"--budget-report=r.{suffix}" for suffix in ("json", "md", "html", "txt")]
    grown = check(copied, tmp_path, "--junitxml=junit.xml", *reports)
    assert "why    2.00x since the baseline = architecture 1.00x * batch 1.00x * frames 2.00x (4 -> 8)" in grown.stdout
    assert "1 failed, 4 passed" in grown.stdout  # what has no limit is held to its baseline
    results = json.loads((tmp_path / "r.json").read_text())["results"]
    metrics = {row["metric"]: row["used"] for row in results[0]["verdict"]["metrics"]}
    assert (metrics["layers"], results[0]["cost"]["point"]["frames"]) == (2, 8)
    assert 'modelbudget_layers{entry="marker"' in (tmp_path / "r.txt").read_text()
    for file, texts in (
        ("r.md", ("| layers |", "frames 8")),
        ("r.html", (">layers<", "frames 8")),
        ("junit.xml", ('name="modelbudget.layers" value="2"', 'name="modelbudget.layers.limit" value="2"')),
    ):
        text = (tmp_path / file).read_text(encoding="utf-8")
        assert [part for part in texts if part not in text] == []

    suite(tmp_path, 4, ", shutter='global'")
    otherwise = check(copied, tmp_path)
    assert otherwise.returncode == 0  # it costs what it cost, whatever the shutter
    suite(tmp_path, 8, ", shutter='global'")
    otherwise = check(copied, tmp_path)
    assert "not comparable: counted with shutter default before, global now" in otherwise.stdout


WRONG = {
    "frames=0": "frames=0 is not a whole number above zero.",
    "shutter='loud'": "shutter='loud' is not a shutter. Allowed: 'rolling', 'global'.",
    "layers='2 bananas'": "layers='2 bananas': 'bananas' is not a unit of layers.",
    "frame=1": "'frame' is not an argument of budget(). Did you mean 'frames'?",
    "module='first', layers=1": "layers= is a limit on the whole model",
}
"""What is written, each in a file of its own, and what is said of it."""


def test_limits_hold_and_wrong_values_are_told(copied, tmp_path):
    suite(tmp_path, 4)
    tests = tmp_path / "test_clip.py"
    tests.write_text(tests.read_text().replace("layers=2", "layers=1"))
    over = check(copied, tmp_path, "-k", "marker")
    assert "over budget: layers 2 of 1 (+100 %)" in over.stdout
    tests.unlink()
    head = "from models import *\nfrom pytest_modelbudget import budget\n"
    for number, wrong in enumerate(WRONG):
        (tmp_path / f"test_wrong_{number}.py").write_text(f"{head}@budget(model=Clip, {wrong})\ndef test_it(): ...\n")
    shown = check(copied, tmp_path).stdout
    assert [said for said in WRONG.values() if said not in shown] == []


def test_the_command(copied, tmp_path):
    suite(tmp_path, 4)
    inputs = ("--inputs", "batch,frames,6")
    count = run(copied, tmp_path, "pytest_modelbudget.cli", "count", "models.py:Clip", "--frames", "4", *inputs)
    assert "infer, frames 4" in count.stdout, count.stderr
    assert "frames=4" in count.stdout.splitlines()[-2]
    assert [line.split() for line in count.stdout.splitlines() if line.startswith("layers")] == [["layers", "2"]]
    swept = run(copied, tmp_path, "pytest_modelbudget.cli", "sweep", "models.py:Clip", "--frames", "2,4", *inputs)
    assert [line.split()[:2] for line in swept.stdout.splitlines() if line.startswith("batch")] == [["batch", "frames"]]
    most = run(copied, tmp_path, "pytest_modelbudget.cli", "fit", "models.py:Clip", "--frames", "1:64", "--batch", "1",
               "--flops", "1000", *inputs)  # fmt: skip
    assert "20" in most.stdout.splitlines()[-1].split()
    listed = run(copied, tmp_path, "pytest_modelbudget.cli", "count", "--help").stdout
    assert "--frames N" in listed
    assert "frames of a clip" in listed


def test_the_signatures_show_them(copied, tmp_path):
    code = "from inspect import signature as s; from pytest_modelbudget import measure; print(*s(measure).parameters)"
    shown = run(copied, tmp_path, "timeit", "-n1", "-r1", code).stdout.split()
    assert {"frames", "shutter"} <= set(shown)
