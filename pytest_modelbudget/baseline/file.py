"""The baseline file: read whole or not at all, written whole or not at all, and what an update changes in it."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from ..text.files import replace_file
from ..values.entry import Entry
from .schema import Baseline, BaselineError, from_json, to_json

LIMIT = 256 * 2**20
"""Bytes. A larger file is no baseline: a thousand models take some 15 MiB."""


def read(path: Path) -> Baseline | None:
    """Read a baseline; ``None`` where there is no file. Raises `BaselineError` for anything that is not one."""
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT + 1)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BaselineError(_refused(path, "read", error)) from error
    if len(data) > LIMIT:
        raise BaselineError(
            f"{path}: larger than {LIMIT // 2**20} MiB, which no baseline is.\n"
            "Give the right file with --budget-baseline or budget_baseline."
        )
    return from_json(data, str(path))


def write(path: Path, baseline: Baseline) -> None:
    """Write a baseline so that at any moment the file is the old one or the new one; not at all if they are the same.

    A link stays a link, its target is written. Raises `BaselineError` where the file cannot be written.
    """
    data = to_json(baseline).encode("ascii")
    try:
        target = Path(os.path.realpath(path))
        before = _status(target)
        if before is not None and not stat.S_ISREG(before.st_mode):
            raise BaselineError(
                f"{path}: not a regular file, so nothing was written.\n"
                "Give a file with --budget-baseline or budget_baseline."
            )
        if before is None or before.st_size != len(data) or target.read_bytes() != data:
            replace_file(target, data, mode=None if before is None else stat.S_IMODE(before.st_mode))
    except (OSError, ValueError) as error:
        raise BaselineError(_refused(path, "written", error)) from error


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _refused(path: Path, done: str, error: OSError | ValueError) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    remedy = "Give another file with --budget-baseline or budget_baseline, or change this one's rights."
    if isinstance(error, FileNotFoundError):
        remedy = f"Make its folder with mkdir -p {shlex.quote(str(path.parent))}, or give another file."
    return f"{path}: the baseline cannot be {done}: {reason}.\n{remedy}"


def merge(old: Baseline | None, measured: Iterable[Entry], gone: Iterable[str] = ()) -> Baseline:
    """The baseline after a run: entries it measured, and the old ones but those that are ``gone``.

    Raises `UsageError` when two different entries were measured under one name.
    """
    fresh: dict[str, Entry] = {}
    for entry in measured:
        other = fresh.setdefault(entry.name, entry)
        if other != entry:
            tests = " and ".join(dict.fromkeys((other.test, entry.test)))
            raise UsageError(
                f"two different entries are named {entry.name!r}, measured by {tests}.\n"
                "Give each its own with name=, then run pytest --budget-update."
            )
    dropped = set(gone)
    kept = {name: entry for name, entry in (old.entries if old else {}).items() if name not in dropped}
    return Baseline.of({**kept, **fresh}.values())


@dataclass(frozen=True)
class Change:
    """What an update does to one entry: it is ``added``, ``changed`` or ``removed``; the totals before and after.

    A changed entry whose totals are the same differs in something else: its modules, or a version.
    """

    status: str
    name: str
    before: Mapping[str, int] | None
    after: Mapping[str, int] | None


def changes(old: Baseline | None, new: Baseline) -> list[Change]:
    """Every entry that differs between two baselines, by name."""
    was, now = (old.entries if old else {}), new.entries
    found = []
    for name in sorted({*was, *now}):
        if name not in was:
            found.append(Change("added", name, None, now[name].totals))
        elif name not in now:
            found.append(Change("removed", name, was[name].totals, None))
        elif was[name] != now[name]:
            found.append(Change("changed", name, was[name].totals, now[name].totals))
    return found
