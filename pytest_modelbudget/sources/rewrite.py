"""Limits written into the files they stand in: each file is the old one or the new one, every other byte as it was."""

from __future__ import annotations

import difflib
import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from ..errors import UsageError
from ..text.files import replace_file
from ..values.metrics import parse_limit, with_headroom
from ..values.written import Place, Wish
from . import python, toml
from .literal import Literal, NotWritten


@dataclass(frozen=True)
class Rewrite:
    """What is to be written into one file: its bytes before and after, and a line for each limit.

    ``refused`` are the limits that are not written, each with the reason.
    """

    file: str
    before: bytes = b""
    after: bytes = b""
    encoding: str = "utf-8"
    lines: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def diff(self, name: str) -> list[str]:
        """A unified diff, line by line."""
        texts = (self.before.decode(self.encoding), self.after.decode(self.encoding))
        old, new = (text.splitlines() for text in texts)
        return list(difflib.unified_diff(old, new, name, name, lineterm=""))


@dataclass
class _Limit:
    place: Place
    metric: str
    used: int
    entries: list[str] = field(default_factory=list)


def digest_of(data: bytes) -> str:
    """What tells the versions of a file apart."""
    return hashlib.sha256(data).hexdigest()


def rewrites(wishes: Iterable[Wish], headroom: Decimal) -> list[Rewrite]:
    """What to write into each file, by name. A limit that several entries share is written for the largest of them."""
    by_file: dict[str, dict[Place, _Limit]] = {}
    for wish in wishes:
        limits = by_file.setdefault(wish.place.file, {})
        limit = limits.setdefault(wish.place, _Limit(wish.place, wish.metric, wish.used))
        limit.used = max(limit.used, wish.used)
        limit.entries.append(wish.entry)
    return [_rewrite(file, list(limits.values()), headroom) for file, limits in sorted(by_file.items())]


def _rewrite(file: str, limits: list[_Limit], headroom: Decimal) -> Rewrite:
    language = toml if toml.is_toml(file) else python
    try:
        data = Path(file).read_bytes()
        if any(limit.place.digest != digest_of(data) for limit in limits):
            raise NotWritten("it changed while the run went on, so it was left alone")
        text, encoding = language.decoded(data)
    except (OSError, NotWritten) as error:
        return Rewrite(file, refused=tuple(_by_hand(limit, headroom, str(error)) for limit in limits))
    found: list[tuple[Literal, str]] = []
    lines: dict[int, str] = {}
    refused = []
    for limit in limits:
        try:
            literal = language.find_literal(text, limit.place)
        except NotWritten as error:
            refused.append(_by_hand(limit, headroom, str(error)))
            continue
        shown = with_headroom(limit.used, limit.metric, headroom)
        number = parse_limit(shown, limit.metric)
        if _is_same(literal, limit.metric, number):
            continue
        now = literal.written(text, shown, number)
        found.append((literal, now))
        line = text.count("\n", 0, literal.begin) + 1
        lines[literal.begin] = f":{line}: {limit.place.argument} = {now} (was {text[literal.begin : literal.end]})"
    new = text
    for literal, now in sorted(found, reverse=True):
        new = new[: literal.begin] + now + new[literal.end :]
    if found and not language.same_but(text, new, found):
        return Rewrite(file, refused=tuple(_by_hand(limit, headroom, "it would not read the same") for limit in limits))
    in_order = tuple(lines[begin] for begin in sorted(lines))
    return Rewrite(file, data, new.encode(encoding), encoding, in_order, tuple(refused))


def _is_same(literal: Literal, metric: str, number: int) -> bool:
    try:
        return literal.value not in (..., "...") and parse_limit(literal.value, metric) == number
    except UsageError:
        return False


def _by_hand(limit: _Limit, headroom: Decimal, why: str) -> str:
    say = f'{limit.place.argument}="{with_headroom(limit.used, limit.metric, headroom)}"'
    return f"{limit.place.file}: not written, since {why}. For {limit.entries[0]}, write {say} by hand."


def write(rewrite: Rewrite) -> None:
    """Put the new file in the place of the old one, unless that changed since. Raises `UsageError`.

    At any moment the file is the old one or the new one. A link stays a link, its target is written.
    """
    target = Path(os.path.realpath(rewrite.file))
    try:
        if target.read_bytes() != rewrite.before:
            raise UsageError(f"{rewrite.file}: not written, since it changed while the run went on. Run it again.")
        replace_file(target, rewrite.after, mode=stat.S_IMODE(target.stat().st_mode))
    except OSError as error:
        raise UsageError(f"{rewrite.file}: the limits cannot be written: {error.strerror or error}.") from error
