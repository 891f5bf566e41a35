"""Workflow commands of GitHub Actions: annotations of files, as many as GitHub shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...text.line import one_line, shown

MOST = 10
"""Annotations of one level that GitHub shows for a step."""


@dataclass(frozen=True)
class Annotation:
    """A message for an entry at a ``place`` (``file`` and ``line``); ``level`` is ``error`` or ``warning``."""

    level: str
    place: Mapping[str, str]
    entry: str
    message: Sequence[str]


def annotation_lines(annotations: Sequence[Annotation], *, left_out: int, of: str) -> list[str]:
    """A command for each annotation; the last says how many were ``left_out``, and ``of`` what they are."""
    lines = []
    for number, one in enumerate(annotations, start=1):
        more = [f"{left_out} more {of}"] if left_out > 0 and number == len(annotations) else []
        place = {**one.place, "title": f"Model budget: {shown(one.entry)}"}
        lines.append(command(one.level, place, "\n".join([*one.message, *more])))
    return lines


def command(name: str, properties: Mapping[str, str], message: str) -> str:
    """A workflow command, with everything in it made inert; only a message may have several lines."""
    written = ",".join(f"{key}={_property(one_line(value))}" for key, value in properties.items())
    lines = [one_line(line) for line in message.split("\n")]
    return f"::{name}{' ' if written else ''}{written}::{_data(chr(10).join(lines))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
