"""Prefixes that other packages add by an entry point, found through their metadata as an installer writes it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

ZOO = """
    from torch import nn
    from pytest_modelbudget import FoundTarget, tensor

    def find(name, *, width: int = 4):
        if name != "net":
            from pytest_modelbudget import TargetError
            raise TargetError(f"zoo has no model {name!r}.")
        return FoundTarget(lambda: nn.Linear(8, width), sizes={"seq": 5}, inputs=tensor("batch", "seq", 8))

    def plain(name):
        return lambda: nn.Linear(8, int(name))

    def near(name, folder, **options):
        return lambda: nn.Linear(8, len((folder / name).read_text()))

    def wrong(name):
        return 7

    def raises(name):
        raise LookupError("no such file")
"""


def package(folder: Path, name: str, entries: str, source: str = ZOO) -> None:
    """An installed package: its module, and its metadata."""
    (folder / f"{name}.py").write_text(dedent(source))
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[pytest_modelbudget.targets]\n{dedent(entries)}\n")


@pytest.fixture
def modelbudget(tmp_path, monkeypatch):
    """The command in a process of its own, which sees the packages in ``installed``."""
    (tmp_path / "installed").mkdir()

    def run(*arguments):
        code = f"import sys; sys.path.insert(1, {str(tmp_path / 'installed')!r})\n"
        code += "from pytest_modelbudget.cli import main\nsys.exit(main(sys.argv[1:]))"
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    run.folder = tmp_path / "installed"
    return run


def test_a_package_adds_prefixes(modelbudget):
    package(
        modelbudget.folder,
        "zoo",
        "zoo = zoo:find\nplain = zoo:plain\nnear = zoo:near\nodd = zoo:wrong\nrude = zoo:raises",
    )
    text = modelbudget("count", "zoo:net", "--arg", "width=3").stdout
    assert "Linear at batch 1, seq 5, infer." in text  # the sizes that the package gives
    assert re.search(r"^macs +120 MACs$", text, re.MULTILINE)  # 5 tokens, 8 times 3
    assert '@budget(model="zoo:net", args={"width": 3}, flops="120",' in text
    assert re.search(r"^macs +16 MACs$", modelbudget("count", "plain:2", "--inputs", "batch,8").stdout, re.MULTILINE)
    (modelbudget.folder.parent / "five").write_text("12345")
    assert re.search(r"^macs +40 MACs$", modelbudget("count", "near:five", "--inputs", "batch,8").stdout, re.MULTILINE)
    wrong = {
        ("zoo:net", "--arg", "widht=3"): "args: zoo:net takes no argument 'widht'. Did you mean 'width'?",
        ("zoo:net", "--arg", "width=x"): "args: width=x is not what zoo:net takes. Allowed: a whole number.",
        ("zoo:other",): "zoo has no model 'other'.",
        ("rude:x",): "rude:x was not found: LookupError: no such file",
        ("odd:x",): "odd:x is a int. A TARGET is a factory or an nn.Module.",
        ("zo:net",): "Prefixes are: torchvision, timm, hf, diffusers, ultralytics, near, odd, plain, rude, zoo.",
    }
    for arguments, message in wrong.items():
        done = modelbudget("count", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_a_prefix_that_two_packages_claim_is_refused(modelbudget):
    package(modelbudget.folder, "zoo", "timm = zoo:find\nnet = zoo:find")
    package(modelbudget.folder, "other", "net = other:find")
    done = modelbudget("count", "timm:resnet10t")
    assert done.stderr == (
        "modelbudget: The prefix 'timm' is claimed by pytest-modelbudget and by zoo. Uninstall one of them.\n"
    )
    assert "The prefix 'net' is claimed by" in modelbudget("count", "net:net").stderr
    assert "other" in modelbudget("count", "net:net").stderr


def test_a_package_that_does_not_import_is_named(modelbudget):
    package(modelbudget.folder, "zoo", "zoo = zoo:find", "1 / 0")
    done = modelbudget("count", "zoo:net")
    assert (done.returncode, done.stdout) == (2, "")
    assert "zoo, which has the TARGETs 'zoo': does not import: ZeroDivisionError: division by zero" in done.stderr
