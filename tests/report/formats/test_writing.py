"""Writing a report: a file is whole or as it was, whatever fails."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import report_samples as samples

from pytest_modelbudget.errors import UsageError
from pytest_modelbudget.report.formats import markdown, write_report


def test_a_failing_renderer_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(report: object) -> str:
        raise RuntimeError("half way")

    path = tmp_path / "r.md"
    path.write_text("old")
    monkeypatch.setattr(markdown, "render", broken)
    with pytest.raises(RuntimeError, match="half way"):
        write_report(path, samples.REPORT)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"r.md": "old"}


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "r.md"
    path.write_text("old")
    if step == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UsageError, match=r"r\.md: the report cannot be written: No space left on device\.$"):
        write_report(path, samples.REPORT)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"r.md": "old"}


def test_an_interrupt_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "r.md"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_report(path, samples.REPORT)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"r.md": "old"}


def test_what_cannot_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder.md").mkdir()
    (tmp_path / "file").write_text("")
    for name in ("folder.md", "file/r.md", "nul\0.md"):
        with pytest.raises(UsageError, match="the report cannot be written"):
            write_report(tmp_path / name, samples.REPORT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.md"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.md").write_text("old")
    (tmp_path / "link.md").symlink_to("real.md")
    write_report(tmp_path / "link.md", samples.REPORT)
    assert (tmp_path / "link.md").is_symlink()
    assert (tmp_path / "real.md").read_text().startswith("<!-- modelbudget -->")


def test_rights_are_those_of_any_new_file(tmp_path: Path) -> None:
    """Not the 0600 of a temporary file: a web server or another CI step has to read it."""
    before = os.umask(0o022)
    try:
        write_report(tmp_path / "r.html", samples.REPORT)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "r.html").stat().st_mode) == 0o644
