"""A write of the baseline that is killed: the file is the old one or the new one, whole, and the next write works."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import killing
import pytest
from baseline.entries import entry

from pytest_modelbudget.baseline.file import read, write
from pytest_modelbudget.baseline.schema import Baseline, to_json

OLD, NEW = Baseline.of([entry("a", 1)]), Baseline.of([entry("a", 20)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the baseline is, with nothing else in it; beside it lie the ones to write."""
    write(tmp_path / "old.json", OLD)
    write(tmp_path / "new.json", NEW)
    found = tmp_path / "repository"
    found.mkdir()
    return found


@pytest.mark.parametrize("before", [OLD, None], ids=["over a baseline", "the first baseline"])
def test_killed_at_each_call_it_leaves_the_old_file_or_the_new_one(folder: Path, before: Baseline | None):
    sources = ["new.json"] if before is None else ["new.json", "old.json"]
    *killed, survived = killing.run("baseline.killed_writes", folder, *(folder.parent / name for name in sources))
    old, new = None if before is None else to_json(before), to_json(NEW)
    assert (survived["code"], survived["place"], survived["file"], survived["left"]) == (0, "", new, {})
    assert {end["code"] for end in killed} == {-signal.SIGKILL}

    places = [end["place"] for end in killed]
    renamed = places.index("after replace")
    assert [end["file"] for end in killed] == [old] * renamed + [new] * (len(killed) - renamed)
    wanted = ["after open", "after BufferedWriter.flush", "after fsync", "before replace"]
    wanted += [] if before is None else ["after chmod"]
    assert set(wanted) < set(places[:renamed])
    assert places.index("after fsync") < places.index("before replace")  # the disk has it before it has the name

    left = [list(end["left"].items()) for end in killed]
    assert max(map(len, left)) == 1
    assert not any(left[renamed:])
    assert {text for files in left for _, text in files} == {"", new}  # killed before it was written, and after
    assert all(name.startswith(".modelbudget-") and name.endswith(".tmp") for files in left for name, _ in files)

    following = {"file": new, "opened what was left": False}
    assert [end for end in killed if end["following"] != following] == []


TORN = """
import resource, signal, sys
from pathlib import Path
from pytest_modelbudget.baseline.file import write
from pytest_modelbudget.baseline.schema import from_json

path, new, size = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
baseline = from_json(new.read_bytes(), "new")
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
write(path, baseline)
"""


@pytest.mark.parametrize("size", [1, len(to_json(NEW)) // 2, len(to_json(NEW)) - 1])
def test_killed_in_the_middle_of_a_call_it_leaves_the_old_file(folder: Path, size: int):
    """The system ends a process that makes a file larger than its limit, when it has written as much as that."""
    path, new = folder / "modelbudget.json", folder.parent / "new.json"
    write(path, OLD)
    done = subprocess.run([sys.executable, "-c", TORN, path, new, str(size)], check=False)
    assert done.returncode == -signal.SIGXFSZ
    assert read(path) == OLD
    (left,) = (file for file in folder.iterdir() if file != path)
    assert left.read_text() == to_json(NEW)[:size]
    write(path, NEW)
    assert read(path) == NEW
