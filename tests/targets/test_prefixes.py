"""Prefixes that other packages add by an entry point, found through their metadata as an installer writes it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

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


COMMANDS = """
import contextlib, io, json, sys

from pytest_modelbudget.cli import main

done = []
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as error:
        code = main(arguments)
    done.append((code, out.getvalue(), error.getvalue()))
print(json.dumps(done))
"""


class Done(NamedTuple):
    """What a command line did."""

    code: int
    out: str
    error: str


def package(folder: Path, name: str, entries: str, source: str = ZOO) -> None:
    """An installed package: its module, and its metadata."""
    (folder / f"{name}.py").write_text(dedent(source))
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[pytest_modelbudget.targets]\n{dedent(entries)}\n")


@pytest.fixture
def modelbudget(tmp_path, monkeypatch):
    """What each command line does in a process of its own, which sees the packages in ``installed``."""
    (tmp_path / "installed").mkdir()

    def run(*commands):
        given = [sys.executable, "-c", COMMANDS, json.dumps(commands)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(tmp_path / "installed")])}
        done = subprocess.run(given, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [Done(*each) for each in json.loads(done.stdout)]

    run.folder = tmp_path / "installed"
    return run


def test_a_package_adds_prefixes(modelbudget):
    package(
        modelbudget.folder,
        "zoo",
        "zoo = zoo:find\nplain = zoo:plain\nnear = zoo:near\nodd = zoo:wrong\nrude = zoo:raises",
    )
    (modelbudget.folder.parent / "five").write_text("12345")
    net, plain, near = modelbudget(
        ["count", "zoo:net", "--arg", "width=3"],
        ["count", "plain:2", "--inputs", "batch,8"],
        ["count", "near:five", "--inputs", "batch,8"],
    )
    assert "Linear at batch 1, seq 5, infer." in net.out  # the sizes that the package gives
    assert re.search(r"^macs +120 MACs$", net.out, re.MULTILINE)  # 5 tokens, 8 times 3
    assert '@budget(model="zoo:net", args={"width": 3}, flops="120",' in net.out
    assert re.search(r"^macs +16 MACs$", plain.out, re.MULTILINE)
    assert re.search(r"^macs +40 MACs$", near.out, re.MULTILINE)
    wrong = {
        ("zoo:net", "--arg", "widht=3"): "args: zoo:net takes no argument 'widht'. Did you mean 'width'?",
        ("zoo:net", "--arg", "width=x"): "args: width=x is not what zoo:net takes. Allowed: a whole number.",
        ("zoo:other",): "zoo has no model 'other'.",
        ("rude:x",): "rude:x was not found: LookupError: no such file",
        ("odd:x",): "odd:x is a int. A TARGET is a factory or an nn.Module.",
        ("zo:net",): "Prefixes are: torchvision, timm, hf, diffusers, ultralytics, near, odd, plain, rude, zoo.",
    }
    for done, message in zip(modelbudget(*(["count", *each] for each in wrong)), wrong.values(), strict=True):
        assert (done.code, done.out) == (2, "")
        assert message in done.error
        assert "Traceback" not in done.error


def test_a_prefix_that_two_packages_claim_is_refused(modelbudget):
    package(modelbudget.folder, "zoo", "timm = zoo:find\nnet = zoo:find")
    package(modelbudget.folder, "other", "net = other:find")
    ours, theirs = modelbudget(["count", "timm:resnet10t"], ["count", "net:net"])
    assert ours.error == (
        "modelbudget: The prefix 'timm' is claimed by pytest-modelbudget and by zoo. Uninstall one of them.\n"
    )
    assert "The prefix 'net' is claimed by" in theirs.error
    assert "other" in theirs.error


def test_a_package_that_does_not_import_is_named(modelbudget):
    package(modelbudget.folder, "zoo", "zoo = zoo:find", "1 / 0")
    (done,) = modelbudget(["count", "zoo:net"])
    assert (done.code, done.out) == (2, "")
    assert "zoo, which has the TARGETs 'zoo': does not import: ZeroDivisionError: division by zero" in done.error
