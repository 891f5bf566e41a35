"""The baseline file on disk: whole at any moment, unchanged by reading, and written only when it differs."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from baseline.entries import entry
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_modelbudget.baseline import file as baseline_file
from pytest_modelbudget.baseline.file import Change, changes, merge, read, write
from pytest_modelbudget.baseline.schema import Baseline, BaselineError, to_json
from pytest_modelbudget.errors import UsageError


def _names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


A, B = Baseline.of([entry("a", 1), entry("b", 2)]), Baseline.of([entry("a", 10), entry("c", 30)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder / "modelbudget.json"


# -- reading -------------------------------------------------------------------------------------------------------


def test_no_file_is_no_baseline(path: Path):
    assert read(path) is None


def test_what_was_written_is_read(path: Path):
    write(path, A)
    assert path.read_text(encoding="ascii") == to_json(A)
    assert read(path) == A


def test_a_damaged_file_is_named_with_its_line_and_stays(path: Path):
    damaged = to_json(A).encode().replace(b'"flops": 1,', b'"flops": -1,', 1)
    path.write_bytes(damaged)
    with pytest.raises(BaselineError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:14: entries > a > totals > flops: -1 where a whole number")
    assert path.read_bytes() == damaged


def _make_folder(path: Path) -> None:
    path.mkdir()


def _make_loop(path: Path) -> None:
    path.symlink_to(path.name)


def _make_parent_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_make_folder, "Is a directory"),
        (_make_loop, "Too many levels of symbolic links"),
        (_make_parent_a_file, "Not a directory"),
    ],
)
def test_what_cannot_be_read_is_told(path: Path, make, reason: str):
    make(path)
    with pytest.raises(BaselineError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{path}: the baseline cannot be read: {reason}.\n"
        "Give another file with --budget-baseline or budget_baseline, or change this one's rights."
    )


def test_a_file_above_the_limit_is_refused_unread(path: Path):
    with path.open("wb") as file:
        file.truncate(baseline_file.LIMIT + 1)  # a sparse file: it takes no room
    with pytest.raises(BaselineError, match="larger than 256 MiB, which no baseline is"):
        read(path)


def test_a_file_at_the_limit_is_read(path: Path, monkeypatch: pytest.MonkeyPatch):
    write(path, A)
    monkeypatch.setattr(baseline_file, "LIMIT", path.stat().st_size)
    assert read(path) == A
    monkeypatch.setattr(baseline_file, "LIMIT", path.stat().st_size - 1)
    with pytest.raises(BaselineError, match="larger than"):
        read(path)


@settings(max_examples=300)
@given(data=st.data())
def test_reading_a_damaged_file_never_changes_it(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    folder = tmp_path_factory.mktemp("damaged")
    file = folder / "modelbudget.json"
    content = bytearray(to_json(A).encode())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at : data.draw(st.sampled_from([at, at + 1, len(content)]))] = data.draw(st.binary(max_size=4))
    file.write_bytes(content)
    os.utime(file, ns=(1, 1))
    try:
        found = read(file)
    except BaselineError:
        found = None
    assert found is None or found.entries.keys()
    assert file.read_bytes() == content
    assert file.stat().st_mtime_ns == 1
    assert _names(folder) == ["modelbudget.json"]


# -- writing -------------------------------------------------------------------------------------------------------


def test_a_new_file_has_the_rights_the_user_gives_new_files(path: Path):
    before = os.umask(0o027)
    try:
        write(path, A)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~0o027


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755])
def test_an_existing_file_keeps_its_rights(path: Path, mode: int):
    write(path, A)
    path.chmod(mode)
    write(path, B)
    assert read(path) == B
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_the_same_baseline_is_not_written_again(path: Path):
    write(path, A)
    os.utime(path, ns=(1, 1))
    before = path.stat()
    write(path, Baseline(dict(reversed(A.entries.items()))))
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (1, before.st_ino)
    write(path, B)
    assert path.stat().st_mtime_ns != 1


def test_a_file_of_the_same_length_but_other_content_is_written(path: Path):
    write(path, Baseline.of([entry("a", 1)]))
    write(path, Baseline.of([entry("a", 2)]))
    assert read(path) == Baseline.of([entry("a", 2)])


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_a_link_and_its_target_is_written(path: Path, tmp_path: Path, there: bool):
    target = tmp_path / "shared.json"
    if there:
        write(target, A)
    path.symlink_to("../shared.json")
    write(path, B)
    assert path.readlink() == Path("../shared.json")
    assert not target.is_symlink()
    assert read(target) == read(path) == B
    assert _names(path.parent) == ["modelbudget.json"]


def test_nothing_but_a_regular_file_is_replaced(path: Path):
    """Not ``/dev/null``, say: root could."""
    os.mkfifo(path)
    with pytest.raises(BaselineError, match="not a regular file, so nothing was written"):
        write(path, A)
    assert stat.S_ISFIFO(path.stat().st_mode)
    with pytest.raises(BaselineError, match="not a regular file"):
        write(path.parent, A)
    assert _names(path.parent) == ["modelbudget.json"]


def test_a_missing_folder_is_named_with_the_command_that_makes_it(path: Path):
    missing = path.parent / "my budgets" / "baseline.json"
    with pytest.raises(BaselineError) as caught:
        write(missing, A)
    assert str(caught.value) == (
        f"{missing}: the baseline cannot be written: No such file or directory.\n"
        f"Make its folder with mkdir -p '{missing.parent}', or give another file."
    )


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: BaseException
):
    def fail(*args: object) -> None:
        raise error

    write(path, A)
    monkeypatch.setattr(*(Path, call) if call == "replace" else (os, call), fail)
    with pytest.raises((BaselineError, KeyboardInterrupt)) as caught:
        write(path, B)
    if isinstance(error, OSError):
        assert "the baseline cannot be written: No space left on device" in str(caught.value)
    assert read(path) == A
    assert _names(path.parent) == ["modelbudget.json"]


def test_what_cannot_be_written_as_json_leaves_the_old_file(path: Path):
    write(path, A)
    with pytest.raises(BaselineError, match="cannot be written: entries > a > inputs: half a surrogate pair"):
        write(path, Baseline.of([replace(A.entries["a"], inputs="\ud800")]))
    assert read(path) == A
    assert _names(path.parent) == ["modelbudget.json"]


# -- several at once -----------------------------------------------------------------------------------------------

WRITER = """
import os, sys, time
from pathlib import Path
from pytest_modelbudget.baseline.file import write
from pytest_modelbudget.baseline.schema import from_json
path, *sources = map(Path, sys.argv[1:])
versions = [from_json(source.read_bytes(), str(source)) for source in sources]
fsync = os.fsync
os.fsync = lambda file: (fsync(file), time.sleep(0.01))  # a slow disk, so that writes overlap
while True:
    for version in versions:
        write(path, version)
        print(end=".", flush=True)
"""


@pytest.fixture
def versions(tmp_path: Path) -> dict[Path, Baseline]:
    """Two big baselines that have no entry in common, each in a file: of 2,000 rows, and of half as many."""
    big = {
        tmp_path / "first.json": Baseline.of(entry(f"first{i}", i, modules=100) for i in range(20)),
        tmp_path / "second.json": Baseline.of(entry(f"second{i}", i, modules=100) for i in range(10)),
    }
    for file, baseline in big.items():
        write(file, baseline)
    return big


@contextmanager
def _writing(path: Path, sources: Iterable[Path]):
    """A process that writes the baselines in turn, for ever; it is killed in the end."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, path, *sources], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"."  # it has written once
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_several_writers_at_once_leave_one_whole_version_at_every_moment(path: Path, versions: dict[Path, Baseline]):
    first, second = versions
    seen = []
    with (
        _writing(path, [first, second]) as one,
        _writing(path, [second, first]) as two,
        _writing(path, [first]) as three,
    ):
        until = time.monotonic() + 3
        while time.monotonic() < until:
            seen.append(path.read_bytes())
        assert [process.poll() for process in (one, two, three)] == [None] * 3  # none failed
    whole = {file.read_bytes() for file in versions}
    assert set(seen) == whole


# -- an update -----------------------------------------------------------------------------------------------------


def test_an_update_replaces_what_it_measured_drops_what_is_gone_and_keeps_the_rest():
    old = Baseline.of([entry("changed", 1), entry("gone"), entry("kept"), entry("same")])
    new = merge(old, [entry("new"), entry("changed", 2), entry("same")], ["gone", "never was"])
    assert new == Baseline.of([entry("changed", 2), entry("kept"), entry("new"), entry("same")])
    assert list(new.entries) == ["changed", "kept", "new", "same"]
    assert list(old.entries) == ["changed", "gone", "kept", "same"]


def test_an_update_without_a_baseline_makes_one():
    assert merge(None, [entry("b"), entry("a")]) == Baseline.of([entry("a"), entry("b")])
    assert merge(None, []) == Baseline({})


def test_what_was_measured_is_not_gone():
    assert merge(A, [entry("a", 5)], ["a"]).entries["a"] == entry("a", 5)


def test_updates_in_any_order_give_the_same_bytes(path: Path):
    entries = [entry(f"e{i}", i) for i in range(20)]
    random.Random(0).shuffle(entries)
    in_parts = merge(merge(None, entries[:7]), entries[7:])
    assert to_json(in_parts) == to_json(merge(None, sorted(entries, key=lambda entry: entry.name)))


def test_two_different_entries_of_one_name_are_refused():
    one, other = entry("a", 1), replace(entry("a", 2), test="test_other")
    assert merge(None, [one, one]) == Baseline.of([one])  # a test that was run twice
    with pytest.raises(UsageError) as caught:
        merge(None, [one, other])
    assert str(caught.value) == (
        "two different entries are named 'a', measured by test_a and test_other.\n"
        "Give each its own with name=, then run pytest --budget-update."
    )


def test_changes_are_listed_by_name_with_the_totals_before_and_after():
    old = Baseline.of([entry("b", 1), entry("gone", 2), entry("same", 3), entry("version", 4)])
    moved = replace(entry("version", 4), torch_version="2.14.0")
    new = Baseline.of([entry("a", 5), entry("b", 6), entry("same", 3), moved])

    def totals(value: int) -> dict[str, int]:
        return dict.fromkeys(("flops", "macs", "params", "trainable_params", "activations", "weights"), value)

    assert changes(old, new) == [
        Change("added", "a", None, totals(5)),
        Change("changed", "b", totals(1), totals(6)),
        Change("removed", "gone", totals(2), None),
        Change("changed", "version", totals(4), totals(4)),
    ]
    assert changes(old, old) == []
    assert changes(None, Baseline.of([entry("a")])) == [Change("added", "a", None, totals(1))]
