"""What the plugin itself costs a suite: one without budgets, collecting budgets, and measuring with reports."""

from __future__ import annotations

import os
import pstats
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from . import process

_PLAIN = "import pytest\n@pytest.mark.parametrize('i', range(50))\ndef test_it(i):\n    assert i >= 0\n"
_MARKED = """import pytest
@pytest.mark.budget(flops='2G', params='12M', batch=1, res=224, name=None)
@pytest.mark.parametrize('i', range(50))
def test_it(i):
    from torchvision.models import resnet18
    return resnet18()
"""
_MEASURED = """import pytest
from torchvision import models
@pytest.mark.budget(flops='100T')
@pytest.mark.parametrize('batch', range(1, {each} + 1))
@pytest.mark.parametrize('res', [128, 224])
@pytest.mark.parametrize('name', ['resnet18', 'resnet50', 'mobilenet_v2', 'vit_b_16', 'efficientnet_b0'])
def test_it(name, res, batch):
    return getattr(models, name)(**({{'image_size': res}} if name == 'vit_b_16' else {{}}))
"""
_CONFTEST = """import sys
sys.path.insert(0, {tests!r})
import torchvision_ops
torchvision_ops.install()
def pytest_unconfigure():
    print('TORCH', 'torch' in sys.modules)
"""
_ROOT = Path(__file__).parents[1]


def measure(runs: int, entries: int, report: Any) -> dict[str, Any]:
    """Ratios of whole pytest runs, which take turns, and a profile of the measured ones."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        plain, marked, measured = (_suite(Path(folder) / name) for name in ("plain", "marked", "measured"))
        for i in range(20):
            (plain / f"test_{i}.py").write_text(_PLAIN, encoding="utf-8")
            (marked / f"test_{i}.py").write_text(_MARKED.replace(", name=None", ""), encoding="utf-8")
        (measured / "test_cost.py").write_text(_MEASURED.format(each=entries // 10), encoding="utf-8")

        report("plugin: 1,000 tests without budgets")
        figures["1,000 tests without budgets, with the plugin / without"] = _turns(
            runs, lambda: _pytest(plain), lambda: _pytest(plain, "-p", "no:modelbudget")
        )
        figures["torch imported by it"] = "yes" if "TORCH True" in _pytest(plain) else "no"
        report("plugin: collecting 1,000 budget tests")
        figures["1,000 budget tests collected / 1,000 plain ones"] = _turns(
            runs, lambda: _pytest(marked, "--collect-only"), lambda: _pytest(plain, "--collect-only")
        )
        figures["torch imported by collecting"] = "yes" if "TORCH True" in _pytest(marked, "--collect-only") else "no"
        report(f"plugin: {entries} measured entries with reports")
        profile = Path(folder) / "profile"
        reports = [f"--budget-report=report.{suffix}" for suffix in ("json", "html", "md")]
        _pytest(measured, *reports, python=["-m", "cProfile", "-o", str(profile)])
        stats = pstats.Stats(str(profile))
    return {"figures": figures, "entries": entries, **_shares(stats)}


def _suite(folder: Path) -> Path:
    folder.mkdir()
    (folder / "conftest.py").write_text(_CONFTEST.format(tests=str(_ROOT / "tests")), encoding="utf-8")
    return folder


def _turns(runs: int, ours: Any, theirs: Any) -> float:
    ours(), theirs()
    return statistics.median(process.seconds(ours) / process.seconds(theirs) for _ in range(runs))


def _pytest(folder: Path, *options: str, python: list[str] | None = None) -> str:
    command = [sys.executable, *(python or []), "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    run = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise RuntimeError(f"pytest ended with {run.returncode}:\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
    return run.stdout


def _shares(stats: Any) -> dict[str, Any]:
    """The share of time that passes in each part (its own), and in the package's functions (with what they call)."""
    own: dict[str, float] = {}
    inside: dict[str, float] = {}
    for (file, _, name), (_, _, total, cumulative, _) in stats.stats.items():
        part = _part(file)
        own[part] = own.get(part, 0.0) + total
        if part.startswith("pytest_modelbudget"):
            inside[f"{file.split('pytest_modelbudget/')[-1]}: {name}"] = cumulative
    whole = sum(own.values())
    return {
        "shares": {name: seconds / whole for name, seconds in sorted(own.items(), key=lambda i: -i[1])},
        "slowest": [(name, seconds / whole) for name, seconds in sorted(inside.items(), key=lambda i: -i[1])[:25]],
    }


def _part(file: str) -> str:
    path = file.replace(os.sep, "/")
    if "/pytest_modelbudget/" in path:
        return f"pytest_modelbudget/{path.split('/pytest_modelbudget/')[-1].split('/')[0]}"
    for name in ("torchvision", "torch", "_pytest", "jinja2"):
        if f"/{name}/" in path:
            return name
    return "Python, built-in functions and the rest"
