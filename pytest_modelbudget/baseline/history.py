"""The baseline file through git history: what each entry cost at each commit that changed it.

The history is that of the branch, along first parents: a merged pull request is one step, and what its own commits
tried on the way is not. A renamed file is followed.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import TargetError
from ..judging.comparison import compare
from ..values.entry import Entry
from .diff import shift
from .file import read
from .schema import BaselineError, from_json

_NOT_HERE = "the file is not there"


@dataclass(frozen=True)
class State:
    """The baseline at a commit, or, where ``sha`` is empty, in the working tree.

    ``problem`` says why there are no entries, ``renamed_from`` the path that the file had before.
    """

    sha: str
    date: str
    subject: str
    entries: Mapping[str, Entry] = field(default_factory=dict)
    problem: str = ""
    renamed_from: str = ""

    @property
    def damaged(self) -> bool:
        """Whether there is a file that cannot be read, so that nobody knows what it says."""
        return bool(self.problem) and self.problem != _NOT_HERE


@dataclass(frozen=True)
class History:
    """States, oldest first. ``cut`` says why older ones are missing, where they are."""

    states: tuple[State, ...]
    cut: str = ""

    @property
    def names(self) -> list[str]:
        """Every entry there ever was."""
        return sorted({name for state in self.states for name in state.entries})


@dataclass(frozen=True)
class Step:
    """One entry at a state that changed its metric, or its operating point.

    ``what``: ``first``, ``new``, ``back``, ``changed``, ``gone``, or ``not comparable`` with what was ``before``.
    ``said`` has more on that. An empty ``entry`` is about the whole file.
    """

    state: State
    entry: str
    what: str
    value: int | None = None
    before: int | None = None
    said: str = ""


def steps(history: History, names: Sequence[str], metric: str) -> Iterator[Step]:
    """What became of the metric of these entries, state by state."""
    last: dict[str, Entry] = {}
    there: set[str] = set()
    for number, state in enumerate(history.states):
        if state.problem or state.renamed_from:
            yield Step(state, "", "", said=state.problem or f"was {state.renamed_from}")
        if state.damaged:
            continue
        for name in names:
            entry, before = state.entries.get(name), last.get(name)
            if entry is not None and metric in entry.totals:
                known = number > 0 or not history.cut
                step = _step(state, entry, before, metric, was_there=name in there, known=known)
                if step is not None:
                    yield step
                last[name] = entry
                there.add(name)
            elif name in there:
                there.discard(name)
                if not state.problem:
                    yield Step(state, name, "gone", said="not measured" if entry is not None else "")


def _step(
    state: State, entry: Entry, before: Entry | None, metric: str, *, was_there: bool, known: bool
) -> Step | None:
    value = entry.totals[metric]
    if before is None:
        return Step(state, entry.name, "new" if known else "first", value)
    was, said = before.totals[metric], shift(before, entry)
    reason = compare(before, entry).reason if was != value else ""
    if reason:
        return Step(state, entry.name, "not comparable", value, was, reason)
    if not was_there:
        return Step(state, entry.name, "back", value, was, said)
    return Step(state, entry.name, "changed", value, was, said) if was != value or said else None


def history(path: Path, *, most: int = 50) -> History:
    """The last ``most`` states of the file ``path``; what is not committed is one of them.

    Raises `TargetError` without git, outside a repository, and where no commit has the file.
    """
    target = Path(os.path.realpath(path))  # a link's history is that of its target
    repository = _Repository(target)
    if not repository.has_commits():
        raise TargetError(f"This repository has no commit yet, and the history of {path} is in them.")
    found: list[State] = []
    for state in repository.states():
        found.append(state)
        if len(found) > most:
            break
    shallow = repository.is_shallow()
    if not found:
        fetch = " This clone is shallow: git fetch --unshallow brings older ones." if shallow else ""
        raise TargetError(
            f"No commit has {path}.{fetch} Record it with pytest --budget-update and commit it, "
            "or say where it is with --baseline FILE."
        )
    cut = "This clone is shallow: git fetch --unshallow brings older commits." if shallow else ""
    if len(found) > most:
        cut = f"Older commits are left out: --most {2 * most} shows more."
    states = [*reversed(found[:most]), *_uncommitted(path, found[0])]
    return History(tuple(states), cut)


def _uncommitted(path: Path, newest: State) -> list[State]:
    """The file as it lies there, if it says something else than the last commit that changed it."""
    state = State("", "", "not committed")
    try:
        baseline = read(path)
    except BaselineError as error:
        state = replace(state, problem=_problem(error, str(path)))
    else:
        state = replace(state, problem=_NOT_HERE) if baseline is None else replace(state, entries=baseline.entries)
    return [] if (state.problem, state.entries) == (newest.problem, newest.entries) else [state]


class _Repository:
    """The repository that a file, which need not be there any more, is in. Paths are relative to its top."""

    def __init__(self, file: Path) -> None:
        self._folder = folder = next(above for above in file.parents if above.is_dir())
        found = self._try("rev-parse", "--is-inside-work-tree")
        if found.returncode != 0 and b"not a git repository" in found.stderr:
            raise TargetError(f"{folder} is in no git repository, and the history is in one.")
        if found.returncode != 0:  # such as one that is another user's: git says what to do
            raise TargetError(f"git cannot read the repository of {folder}: {_text(found.stderr)}")
        if found.stdout.strip() != b"true":
            raise TargetError(f"{folder} is not in the working tree of its git repository.")
        prefix = os.fsdecode(self._git("rev-parse", "--show-prefix").removesuffix(b"\n"))
        self._inside = Path(prefix, file.relative_to(folder)).as_posix()
        self._folder = Path(os.fsdecode(self._git("rev-parse", "--show-toplevel").removesuffix(b"\n")))

    def has_commits(self) -> bool:
        """Whether there is a commit at all."""
        return self._try("rev-parse", "--verify", "--quiet", "HEAD^{commit}").returncode == 0

    def is_shallow(self) -> bool:
        """Whether commits were left behind when this was cloned."""
        return self._git("rev-parse", "--is-shallow-repository").strip() == b"true"

    def states(self) -> Iterator[State]:
        """The file at each commit that changed it, newest first."""
        path = self._inside
        tip: str | None = "HEAD"
        while tip is not None:
            commits, tip = self._log(tip, path), None
            for number, (sha, parents, date, subject) in enumerate(commits):
                state = self._state(sha, path, State(sha, date, subject))
                came = state.problem != _NOT_HERE and not self._has(commits, number + 1, path)
                old = self._renamed(parents[0], sha, path) if came and parents else ""
                if not old:
                    yield state
                    continue
                yield replace(state, renamed_from=old)
                tip, path = parents[0], old
                break

    def _log(self, tip: str, path: str) -> list[tuple[str, list[str], str, str]]:
        text = self._git(
            "log", "--first-parent", "--no-follow", "--no-show-signature", "--no-color", "--encoding=UTF-8", "-z",
            "--date=short", "--format=%H%x00%P%x00%cd%x00%s", tip, "--", path,
        )  # fmt: skip
        fields = text.decode("utf-8", "replace").split("\0")
        commits = zip(fields[0::4], fields[1::4], fields[2::4], fields[3::4], strict=False)  # the last field is empty
        return [(sha, parents.split(), date, subject) for sha, parents, date, subject in commits]

    def _has(self, commits: Sequence[tuple[str, list[str], str, str]], number: int, path: str) -> bool:
        """Whether the file was there before, as far as that changed it."""
        return number < len(commits) and self._blob(commits[number][0], path) != ""

    def _state(self, sha: str, path: str, state: State) -> State:
        blob = self._blob(sha, path)
        if not blob:
            return replace(state, problem=_NOT_HERE)
        content = self._try("cat-file", "blob", blob)
        if content.returncode != 0:  # no file, or not fetched
            return replace(state, problem=f"it cannot be read: {_text(content.stderr)}")
        try:
            return replace(state, entries=from_json(content.stdout, path).entries)
        except BaselineError as error:
            return replace(state, problem=_problem(error, path))

    def _blob(self, sha: str, path: str) -> str:
        """The id of the file's content at a commit; empty where it is not there."""
        listed = self._git("ls-tree", "-z", sha, "--", path).decode("utf-8", "replace")
        return listed.split("\t")[0].split()[2] if listed else ""

    def _renamed(self, parent: str, sha: str, path: str) -> str:
        """The path that the file had before the commit, if it came by its path there; empty if it did not."""
        text = self._git("diff-tree", "-r", "-z", "-M", "--diff-filter=R", "--name-status", parent, sha)
        fields = text.decode("utf-8", "surrogateescape").split("\0")
        pairs = zip(fields[1::3], fields[2::3], strict=False)
        return next((old for old, new in pairs if new == path), "")

    def _git(self, *arguments: str) -> bytes:
        done = self._try(*arguments)
        if done.returncode != 0:
            raise TargetError(f"git {arguments[0]} failed in {self._folder}: {_text(done.stderr)}")
        return done.stdout

    def _try(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = ["git", "--literal-pathspecs", "-C", str(self._folder), *arguments]
        environment = {**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
        try:
            return subprocess.run(command, capture_output=True, check=False, env=environment)
        except OSError as error:
            raise TargetError(f"The history needs git, which cannot be run: {error.strerror or error}.") from None


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace").strip()


def _problem(error: BaselineError, file: str) -> str:
    """What is wrong with the file, without its name: ``line 3: ...``."""
    place = str(error).removeprefix(f"{file}:").splitlines()[0].removesuffix(".").strip()
    return f"line {place}" if place[:1].isdigit() else place
