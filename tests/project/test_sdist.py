"""The source distribution holds the whole repository, and its tests are found where it is unpacked."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from project.checkers import ROOT
from project.fake_github import clean_environment

from pytest_modelbudget import __version__


def run(*command: str, folder: Path, **environment: str) -> str:
    env = {**clean_environment(), **environment}
    done = subprocess.run([sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5_000:]
    return done.stdout


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """The distribution, built without a network and unpacked in an empty folder."""
    folder = tmp_path_factory.mktemp("sdist")
    run("-m", "hatchling", "build", "-t", "sdist", "-d", str(folder), folder=ROOT)
    (archive,) = folder.iterdir()
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_holds_every_file_of_the_repository(unpacked):
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this is no git checkout, so nothing says which files are of the repository")
    there = {file for file in listed.stdout.split("\0") if file and (ROOT / file).exists()}
    assert len(there) > 200
    assert there - files_of(unpacked) == set()


def test_its_tests_are_all_found(unpacked):
    """Collecting imports them, and so what they import of the package, the benchmarks and the examples."""
    listed = run(
        "-m", "pytest", "--collect-only", "-q", "-m", "", "-p", "no:cacheprovider",
        folder=unpacked, PYTHONPATH=str(unpacked),
    )  # fmt: skip
    tests = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/**/test_*.py")}
    assert set(re.findall(r"^(tests/\S+?\.py)::", listed, re.MULTILINE)) == tests


def test_the_package_index_shows_links_that_lead_somewhere(unpacked):
    """The README's links are relative; there, they are of the files of this version."""
    described = (unpacked / "PKG-INFO").read_text(encoding="utf-8").partition("\n\n")[2]
    shown = re.findall(r"(!?)\[[^]]*\]\(([^)]+)\)", described)
    written = re.findall(r"(!?)\[[^]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(shown) == len(written) > 20
    for (picture, target), (_, relative) in zip(shown, written, strict=True):
        start = "https://raw.githubusercontent.com" if picture else "https://github.com"
        place = f"/pytest-modelbudget/pytest-modelbudget/{'' if picture else 'blob/'}v{__version__}/"
        assert target == f"{start}{place}{relative}"
        assert (ROOT / relative.partition("#")[0]).is_file()
