"""The baseline file through git history: what each entry cost at each commit that changed it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from .baseline.schema import BaselineError, from_json
from .errors import TargetError


@dataclass(frozen=True)
class Commit:
    """A commit that changed the baseline: its totals by entry and metric. ``problem``: it cannot be read there."""

    sha: str
    date: str
    subject: str
    totals: dict[str, dict[str, int]]
    problem: str = ""


def history(path: Path, *, most: int = 50) -> list[Commit]:
    """The last ``most`` commits that changed ``path``, oldest first.

    Raises `TargetError` without git, outside a repository, or when no commit has the file.
    """
    path = path.resolve()
    folder = path.parent
    log = _git(folder, "log", f"--max-count={most}", "--format=%H%x09%cs%x09%s", "--", path.name)
    if not log.strip():
        raise TargetError(f"No commit has {path.name}. Record it with pytest --budget-update and commit it.")
    commits = []
    for line in reversed(log.splitlines()):
        sha, date, subject = line.split("\t", 2)
        commits.append(_read(folder, path.name, sha, date, subject))
    return commits


def _read(folder: Path, name: str, sha: str, date: str, subject: str) -> Commit:
    try:
        text = _git(folder, "show", f"{sha}:./{name}")
    except TargetError:
        return Commit(sha, date, subject, {}, "removed")
    try:
        entries = from_json(text, f"{name} at {sha[:10]}").entries
    except BaselineError as error:
        return Commit(sha, date, subject, {}, str(error).splitlines()[0])
    return Commit(sha, date, subject, {name: dict(entry.totals) for name, entry in entries.items()})


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=True, encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise TargetError("git is not installed, and the history is in it.") from None
    except subprocess.CalledProcessError as error:
        raise TargetError(f"git {arguments[0]} failed in {folder}: {error.stderr.strip()}") from None
    return done.stdout
