"""``modelbudget history``: the baseline through git, whatever the repository is like, as a table and as a picture."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cli.review_samples import at, entry, write
from golden_files import check_golden
from report_samples import G, M

from pytest_modelbudget.cli.command import main
from pytest_modelbudget.text.line import one_line
from pytest_modelbudget.values.entry import Entry

NAME = "modelbudget.json"


class Repository:
    """A repository in a folder; every commit is a day after the one before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._days = itertools.count(1)
        self.git("init", "--quiet")
        self.git("checkout", "--quiet", "-b", "main")

    def git(self, *arguments: str) -> str:
        when = f"2025-03-{next(self._days) if arguments[0] in ('commit', 'merge') else 1:02}T12:00:00+00:00"
        own = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        return subprocess.run(
            ["git", *arguments], cwd=self.folder, env={**os.environ, **own}, capture_output=True, check=True, text=True
        ).stdout

    def commit(self, subject: str, *entries: Entry, file: str = NAME) -> str:
        """Commit a baseline of these entries, and return its id."""
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, *entries)
        return self.commit_all(subject)

    def commit_all(self, subject: str) -> str:
        """Commit what lies there."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", subject)
        return self.git("rev-parse", "HEAD").strip()


@pytest.fixture(autouse=True)
def _nobodys_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the settings nor the repository of whoever runs these tests."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role, key in itertools.product(("AUTHOR", "COMMITTER"), ("NAME", "EMAIL")):
        monkeypatch.setenv(f"GIT_{role}_{key}", "author@example.org")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """An empty repository, and the current folder in it."""
    found = Repository(tmp_path / "repository")
    monkeypatch.chdir(found.folder)
    return found


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command prints, when it succeeds and complains about nothing."""
    code = main(["history", *arguments])
    found = capsys.readouterr()
    assert (code, found.err) == (0, "")
    return found.out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command complains about: exit code 2, and nothing else is printed."""
    assert main(["history", *arguments]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.startswith("modelbudget: ")
    return found.err.removeprefix("modelbudget: ").rstrip("\n")


def rows(text: str) -> list[list[str]]:
    """The cells of the table, by the columns of its head; that of the metric is aligned to the right."""
    head, *lines = text.split("\n\n")[0].splitlines()
    commit, entry_, since, subject = (head.index(title) for title in ("commit", "entry", "since before", "subject"))
    found = []
    for line in lines:
        name, value = line[entry_:since].rstrip().rsplit("  ", 1)
        cells = line[:commit], line[commit:entry_], name, value, line[since:subject], line[subject:]
        found.append([cell.strip() for cell in cells])
    return found


def told(text: str) -> list[tuple[str, str, str, str]]:
    """Entry, value, what is said of it, and subject of each row."""
    return [(row[2], row[3], row[4], row[5]) for row in rows(text)]


def a(flops: int, **changed: object) -> Entry:
    return entry("a", flops, M, **changed)


# The table.


def story(repository: Repository) -> None:
    """Everything that can become of a baseline."""
    b = entry("b", 500 * M, M)
    repository.commit("Record two models", a(1 * G), b)
    repository.commit("Widen a", a(1500 * M), b)
    (repository.folder / NAME).write_text("{\n<<<<<<< HEAD\n", encoding="utf-8")
    repository.commit_all("Commit a conflict")
    repository.commit("Twice the resolution", a(6 * G, **at(448)), b)
    repository.commit("Count with another torch", a(6 * G, **at(448), torch_version="2.10.0"), b)
    (repository.folder / NAME).unlink()
    repository.commit_all("Drop it by accident")
    repository.commit("Bring it back, but for b", a(6 * G, **at(448)))
    repository.commit("Count in another convention", a(12 * G, **at(448), convention="torch"))
    repository.git("mv", NAME, "costs.json")
    repository.commit_all("Give it another name")
    repository.commit("b again", a(12 * G, **at(448), convention="torch"), b, file="costs.json")
    write(repository.folder / "costs.json", a(11 * G, **at(448), convention="torch"), b)


def test_the_table(repository, capsys):
    story(repository)
    text = printed(capsys, "--baseline", "costs.json")
    ids = repository.git("log", "--format=%H").split()
    for found in re.findall(r"^\d{4}-\d\d-\d\d  (\w+)", text, re.MULTILINE):
        assert len(found) == 10
        assert any(sha.startswith(found) for sha in ids)
    check_golden("review/history.txt", re.sub(r"(?<=\d\d  )[0-9a-f]{10}", "0123456789", text))


def test_one_entry(repository, capsys):
    repository.commit("one", a(1 * G), entry("b", G, M))
    repository.commit("two", a(1 * G), entry("b", 2 * G, M))
    repository.commit("three", a(1010 * M), entry("b", 2 * G, M))
    assert told(printed(capsys, "a")) == [("a", "1 G", "new", "one"), ("a", "1.01 G", "+1 %", "three")]


NAMED = [
    (["tests/x.py::test_net"], ["tests/x.py::test_net"]),  # exactly one, though the others begin with it
    (["test_net[2"], ["tests/x.py::test_net[224]"]),
    (["test_net["], ["tests/x.py::test_net[224]", "tests/x.py::test_net[384]"]),
    (["[384]", "y.py"], ["tests/x.py::test_net[384]", "tests/y.py::test_z"]),
    ([], ["tests/x.py::test_net", "tests/x.py::test_net[224]", "tests/x.py::test_net[384]", "tests/y.py::test_z"]),
]


@pytest.mark.parametrize(("wanted", "names"), NAMED)
def test_entries_are_named_in_full_or_in_part(repository, capsys, wanted, names):
    everything = (
        "tests/x.py::test_net",
        "tests/x.py::test_net[224]",
        "tests/x.py::test_net[384]",
        "tests/y.py::test_z",
    )
    repository.commit("one", *(entry(name, G, M) for name in everything))
    assert [row[0] for row in told(printed(capsys, *wanted))] == names


def test_an_entry_that_never_was(repository, capsys):
    repository.commit("one", entry("tests/x.py::test_net", G, M))
    text = refused(capsys, "tests/x.py::test_nut")
    assert text == (
        "No entry is named like 'tests/x.py::test_nut'. Did you mean 'tests/x.py::test_net'? "
        "There are: tests/x.py::test_net."
    )


def test_other_metrics(repository, capsys):
    """A commit that does not change the metric has no row: parameters stay, whatever happens to FLOPs."""
    repository.commit("one", entry("a", 1 * G, 1 * M))
    repository.commit("two", entry("a", 2 * G, 1 * M))
    repository.commit("three", entry("a", 2 * G, 2 * M))
    assert told(printed(capsys, "--metric", "params")) == [("a", "1 M", "new", "one"), ("a", "2 M", "+100 %", "three")]
    assert told(printed(capsys, "--metric", "weights"))[1][:3] == ("a", "7.63 MiB", "+100 %")  # 4 bytes each


def test_an_operating_point_that_costs_the_same_has_a_row(repository, capsys):
    repository.commit("one", a(G))
    repository.commit("two", a(G, **at(448)))
    assert told(printed(capsys))[1] == ("a", "1 G", "the same, res 224 -> 448", "two")


def test_a_metric_that_nobody_recorded(repository, capsys):
    repository.commit("one", a(G))
    assert refused(capsys, "--metric", "memory") == "The baseline has no memory of this entry."


def test_a_metric_that_came_later(repository, capsys):
    repository.commit("one", a(G))
    known = a(G)
    repository.commit("two", replace(known, totals={**known.totals, "memory": 2**20}))
    repository.commit("three", a(G))
    assert told(printed(capsys, "--metric", "memory")) == [
        ("a", "1 MiB", "new", "two"),
        ("a", "-", "gone, not measured", "three"),
    ]


def test_the_last_commits(repository, capsys):
    """What is left out is not forgotten: the first row shown is not new."""
    for number in range(1, 5):
        repository.commit(f"commit {number}", a(number * G))
    assert told(printed(capsys, "--most", "4"))[0] == ("a", "1 G", "new", "commit 1")
    text = printed(capsys, "--most", "2")
    assert told(text) == [("a", "3 G", "", "commit 3"), ("a", "4 G", "+33 %", "commit 4")]
    assert text.endswith("\n\nOlder commits are left out: --most 4 shows more.\n")


@pytest.mark.parametrize("most", ["0", "-1"])
def test_no_commits_wanted(repository, capsys, most):
    assert refused(capsys, f"--most={most}") == f"--most {most} is not a whole number above zero."


def test_nothing_that_can_be_read(repository, capsys):
    (repository.folder / NAME).write_text("[]", encoding="utf-8")
    repository.commit_all("one")
    assert told(printed(capsys)) == [("-", "-", "line 1: the file: a list where an object belongs", "one")]


# Repositories of every kind.


def test_a_merge_is_one_step(repository, capsys):
    """What a branch tried on its way is its own matter; on the branch itself it is shown."""
    repository.commit("main", a(1 * G))
    repository.git("checkout", "--quiet", "-b", "branch")
    repository.commit("try", a(9 * G))
    repository.commit("settle", a(2 * G))
    steps = [("a", "1 G", "new", "main"), ("a", "9 G", "+800 %", "try"), ("a", "2 G", "-78 %", "settle")]
    assert told(printed(capsys)) == steps
    repository.git("checkout", "--quiet", "main")
    (repository.folder / "other").write_text("x", encoding="utf-8")
    repository.commit_all("something else")
    repository.git("merge", "--quiet", "--no-ff", "--message", "Merge it", "branch")
    assert told(printed(capsys)) == [("a", "1 G", "new", "main"), ("a", "2 G", "+100 %", "Merge it")]


def test_a_merge_with_an_answer_of_its_own(repository, capsys):
    repository.commit("main", a(1 * G))
    repository.git("checkout", "--quiet", "-b", "branch")
    repository.commit("branch", a(2 * G))
    repository.git("checkout", "--quiet", "main")
    repository.commit("main again", a(3 * G))
    repository.git("merge", "--quiet", "--no-ff", "--strategy", "ours", "--no-commit", "branch")
    repository.commit("both", a(4 * G))
    assert [row[1:] for row in told(printed(capsys))] == [
        ("1 G", "new", "main"),
        ("3 G", "+200 %", "main again"),
        ("4 G", "+33 %", "both"),
    ]


def test_a_renamed_file_is_followed(repository, capsys):
    repository.commit("one", a(1 * G), file="ci/costs.json")
    repository.git("mv", "ci/costs.json", "old.json")
    repository.commit_all("two")
    repository.commit("three", a(2 * G), file="old.json")
    repository.git("mv", "old.json", NAME)
    repository.commit("four, changed as well", a(3 * G))
    assert told(printed(capsys)) == [
        ("a", "1 G", "new", "one"),
        ("-", "-", "was ci/costs.json", "two"),
        ("a", "2 G", "+100 %", "three"),
        ("-", "-", "was old.json", "four, changed as well"),
        ("a", "3 G", "+50 %", ""),
    ]


def test_a_file_renamed_there_and_back(repository, capsys):
    repository.commit("one", a(1 * G))
    repository.git("mv", NAME, "other.json")
    repository.commit("two", a(2 * G), file="other.json")
    repository.git("mv", "other.json", NAME)
    repository.commit("three", a(3 * G))
    assert [row[1] for row in told(printed(capsys)) if row[0] == "a"] == ["1 G", "2 G", "3 G"]


def test_a_file_renamed_on_a_branch_is_followed_through_its_merge(repository, capsys):
    """``git log --follow`` does not look into merges."""
    repository.commit("main", a(1 * G), file="old.json")
    repository.git("checkout", "--quiet", "-b", "branch")
    repository.git("mv", "old.json", NAME)
    repository.commit("branch", a(2 * G))
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "--message", "Merge it", "branch")
    assert told(printed(capsys)) == [
        ("a", "1 G", "new", "main"),
        ("-", "-", "was old.json", "Merge it"),
        ("a", "2 G", "+100 %", ""),
    ]


def test_a_file_that_took_another_ones_place_is_not_its_heir(repository, capsys):
    """Another baseline is removed by the commit that adds this one, and has nothing in common with it."""
    (repository.folder / "other.txt").write_text("x\n" * 500, encoding="utf-8")
    repository.commit_all("other")
    (repository.folder / "other.txt").unlink()
    repository.commit("one", a(G))
    assert told(printed(capsys)) == [("a", "1 G", "new", "one")]


PLACES = ["with spaces", "ümlaut 漢", ":(top)x", "a*b[c]", "-dash", "quote\"'", "back\\slash", "deep/down/there"]


@pytest.mark.parametrize("place", PLACES)
def test_places_with_odd_names(tmp_path, monkeypatch, capsys, place):
    """In a folder of that name, in a repository of that name, called from there, from above, and from elsewhere."""
    repository = Repository(tmp_path / place)
    file = f"{place}/{NAME}"
    repository.commit("one", a(1 * G), file=file)
    repository.commit("two", a(2 * G), file=file)
    expected = [("a", "1 G", "new", "one"), ("a", "2 G", "+100 %", "two")]
    path = repository.folder / file
    monkeypatch.chdir(path.parent)
    assert told(printed(capsys)) == expected
    monkeypatch.chdir(repository.folder)
    assert told(printed(capsys, f"--baseline={file}")) == expected
    monkeypatch.chdir(tmp_path)
    assert told(printed(capsys, f"--baseline={path}")) == expected


def test_a_link_has_the_history_of_its_target(repository, capsys):
    repository.commit("one", a(1 * G), file="costs/real.json")
    (repository.folder / NAME).symlink_to("costs/real.json")
    repository.commit("two", a(2 * G), file="costs/real.json")
    assert [row[1] for row in told(printed(capsys))] == ["1 G", "2 G"]


def test_a_folder_that_is_gone(repository, capsys):
    repository.commit("one", a(1 * G), file="deep/down/costs.json")
    repository.git("rm", "--quiet", "-r", "deep")
    repository.commit_all("two")
    text = printed(capsys, "--baseline", "deep/down/costs.json")
    assert told(text) == [("a", "1 G", "new", "one"), ("-", "-", "the file is not there", "two")]


def test_a_second_working_tree_and_no_branch(repository, capsys, monkeypatch, tmp_path):
    first = repository.commit("one", a(1 * G))
    repository.commit("two", a(2 * G))
    repository.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"), first)
    monkeypatch.chdir(tmp_path / "tree")
    assert told(printed(capsys)) == [("a", "1 G", "new", "one")]


def test_a_shallow_clone(repository, capsys, monkeypatch, tmp_path):
    repository.commit("one", a(1 * G))
    repository.commit("two", a(2 * G))
    clone = tmp_path / "clone"
    repository.git("clone", "--quiet", "--depth", "1", repository.folder.as_uri(), str(clone))
    monkeypatch.chdir(clone)
    text = printed(capsys)
    assert told(text) == [("a", "2 G", "", "two")]
    assert text.endswith("\n\nThis clone is shallow: git fetch --unshallow brings older commits.\n")
    assert "This clone is shallow: git fetch --unshallow" in refused(capsys, "--baseline", "other.json")


def test_settings_of_git_that_would_change_what_it_prints(repository, capsys, monkeypatch):
    repository.commit("one", a(1 * G), file="old é.json")
    repository.git("mv", "old é.json", NAME)
    repository.commit("two é", a(2 * G))
    plain = printed(capsys)
    settings = {
        "log.showSignature": "true",
        "log.follow": "true",
        "log.date": "relative",
        "color.ui": "always",
        "core.quotePath": "true",
        "diff.renames": "false",
        "format.pretty": "fuller",
        "i18n.logOutputEncoding": "ISO-8859-1",
        "core.pager": "false",
    }
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for number, (key, value) in enumerate(settings.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert printed(capsys) == plain
    assert "was old é.json" in plain


def test_signatures_are_not_in_the_way(repository, capsys, monkeypatch):
    """With ``log.showSignature`` git prints what it thinks of each, in the middle of what was asked for."""
    repository.commit("one", a(1 * G))
    repository.commit("two", a(2 * G))
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n"
    signed = repository.git("cat-file", "commit", "HEAD").replace("\n\n", f"\n{signature}", 1)
    (repository.folder / "signed").write_text(signed, encoding="utf-8")
    commit = repository.git("hash-object", "-t", "commit", "-w", "signed").strip()
    repository.git("update-ref", "HEAD", commit)
    program = repository.folder / "gpg"
    program.write_text("#!/bin/sh\necho gpg: good enough >&2\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    repository.git("config", "gpg.program", str(program))
    repository.git("config", "log.showSignature", "true")
    assert "gpg: good enough" in repository.git("log")
    assert told(printed(capsys)) == [("a", "1 G", "new", "one"), ("a", "2 G", "+100 %", "two")]


# What is not committed.


def test_what_is_not_committed_is_the_last_row(repository, capsys):
    repository.commit("one", a(1 * G))
    write(repository.folder / NAME, a(2 * G))
    row = rows(printed(capsys))[-1]
    assert row == ["-", "-", "a", "2 G", "+100 %", "not committed"]
    (repository.folder / NAME).write_text("{", encoding="utf-8")
    assert rows(printed(capsys))[-1][4].startswith("line 1:2: damaged JSON")
    (repository.folder / NAME).unlink()
    assert rows(printed(capsys))[-1] == ["-", "-", "-", "-", "the file is not there", "not committed"]


def test_lines_that_end_otherwise_are_no_change(repository, capsys):
    repository.commit("one", a(1 * G))
    path = repository.folder / NAME
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert told(printed(capsys)) == [("a", "1 G", "new", "one")]


# Where there is no history.


def test_no_git(repository, capsys, monkeypatch):
    repository.commit("one", a(G))
    monkeypatch.setenv("PATH", str(repository.folder))
    assert refused(capsys) == "The history needs git, which cannot be run: No such file or directory."


def test_no_repository(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    write(tmp_path / NAME, a(G))
    assert refused(capsys) == f"{tmp_path} is in no git repository, and the history is in one."


def test_no_commits(repository, capsys):
    write(repository.folder / NAME, a(G))
    assert refused(capsys) == f"This repository has no commit yet, and the history of {NAME} is in them."


def test_never_committed(repository, capsys):
    repository.commit("one", a(G), file="other.json")
    write(repository.folder / NAME, a(G))
    assert refused(capsys) == (
        f"No commit has {NAME}. Record it with pytest --budget-update and commit it, or say where it is with "
        "--baseline FILE."
    )


def test_inside_the_folder_of_git(repository, capsys, monkeypatch):
    repository.commit("one", a(G))
    monkeypatch.chdir(repository.folder / ".git")
    assert refused(capsys) == f"{repository.folder / '.git'} is not in the working tree of its git repository."


def test_a_repository_of_somebody_else(repository, capsys, monkeypatch):
    """git does not read it, and says what to do. It has a switch for tests of this."""
    repository.commit("one", a(G))
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    text = refused(capsys)
    assert text.startswith(f"git cannot read the repository of {repository.folder}: ")
    assert "safe.directory" in text


def test_a_commit_that_git_cannot_read(repository, capsys):
    repository.commit("one", a(1 * G))
    blob = repository.git("rev-parse", f"HEAD:{NAME}").strip()
    repository.commit("two", a(2 * G))
    path = repository.folder / ".git" / "objects" / blob[:2] / blob[2:]
    path.chmod(0o600)
    path.unlink()
    first, second = told(printed(capsys))
    assert first[2].startswith("it cannot be read: ")
    assert second == ("a", "2 G", "new", "two")


def test_a_folder_with_the_name_of_the_baseline(repository, capsys):
    repository.commit("one", a(G), file=f"{NAME}/x.json")
    assert "it cannot be read: " in printed(capsys)


# Names that would be something else elsewhere.

HOSTILE = [
    "::error::x",
    "##[error]x",
    "a\x1b[31mb\x07",
    "abc\u202ecod.exe\u2066",
    "$x^2$ \\frac{",
    "_hidden",
    "<b>&amp;</b>",
]


@pytest.mark.parametrize("name", [*HOSTILE, "one\ntwo\r::add-mask::x", "x" * 3000])
def test_hostile_names_are_inert(repository, capsys, name):
    repository.commit(name, entry(name, G, M))
    repository.commit("two", entry(name, 2 * G, M, inputs=name))
    text = printed(capsys)
    assert {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")} <= {"\n"}
    assert re.search(r"^\s*::|##\[", text, re.MULTILINE) is None
    assert len(text.splitlines()) == 3
    assert max(map(len, text.splitlines())) < 500


# The picture as a file.


@pytest.mark.parametrize("suffix", [".png", ".svg", ".PNG"])
def test_the_picture_is_written_whole_and_the_same_each_time(repository, capsys, suffix):
    repository.commit("one", a(1 * G))
    repository.commit("two", a(2 * G))
    text = printed(capsys, "--plot", f"new folder/costs{suffix}")
    assert text.endswith(f"\nplot: new folder/costs{suffix}\n")
    path = repository.folder / "new folder" / f"costs{suffix}"
    data = path.read_bytes()
    assert data.startswith(b"<?xml" if suffix == ".svg" else b"\x89PNG")
    printed(capsys, "--plot", f"new folder/costs{suffix}")
    assert path.read_bytes() == data
    assert [other.name for other in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_in_a_picture(repository, capsys, name):
    """As text in an SVG, which is well-formed, and never as mathematics or markup."""
    repository.commit("one", entry(name, G, M))
    repository.commit("two", entry(name, 2 * G, M))
    printed(capsys, "--plot", "costs.svg")
    root = ElementTree.parse(repository.folder / "costs.svg").getroot()
    texts = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert f"1 G \u2192 2 G   {one_line(name)}" in texts


def test_settings_of_matplotlib_change_nothing(repository, capsys, monkeypatch):
    """Somebody's TeX is not asked to set names."""
    import matplotlib

    repository.commit("one", entry("a_$x^2$", G, M))
    printed(capsys, "--plot", "plain.svg")
    with matplotlib.rc_context({"text.usetex": True, "figure.facecolor": "black", "font.size": 30}):
        printed(capsys, "--plot", "other.svg")
        assert matplotlib.rcParams["font.size"] == 30
    assert (repository.folder / "plain.svg").read_bytes() == (repository.folder / "other.svg").read_bytes()


@pytest.mark.parametrize("name", ["costs.pdf", "costs", "costs.html"])
def test_pictures_there_are_none_of(repository, capsys, name):
    repository.commit("one", a(G))
    assert refused(capsys, "--plot", name) == f"--plot {name}: allowed are .png and .svg."


def test_no_matplotlib(repository, capsys, monkeypatch):
    repository.commit("one", a(G))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert refused(capsys, "--plot", "x.png") == "--plot needs matplotlib: pip install pytest-modelbudget[plot]"
    assert told(printed(capsys)) == [("a", "1 G", "new", "one")]


def test_a_picture_that_cannot_be_written(repository, capsys):
    repository.commit("one", a(G))
    (repository.folder / "x.png").mkdir()
    assert main(["history", "--plot", "x.png"]) == 2
    found = capsys.readouterr()
    assert found.err == "modelbudget: --plot x.png: the picture cannot be written: Is a directory.\n"
    assert [path.name for path in repository.folder.glob(".modelbudget-*")] == []


def test_neither_torch_nor_matplotlib_is_loaded_for_a_table(repository):
    repository.commit("one", a(G))
    code = (
        "import sys; from pytest_modelbudget.cli import main; main(['history']); "
        "print([name for name in ('torch', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
