"""The value of a key in a TOML file: reading the file, and finding where one of its values is written.

Python reads TOML and does not say where it stood. A value is found by trial: the characters that, written otherwise,
change that value of the file and nothing else.
"""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..values.written import Place
from .literal import Literal, NotWritten

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_VALUE = re.compile(r"""=[ \t]*("(?:[^"\\\r\n]|\\.)*"|'[^'\r\n]*'|[+-]?[0-9][0-9_.eE+-]*)""")
_TRIAL = '"modelbudget writes here"'


def read_toml(data: bytes, name: str) -> dict[str, Any]:
    """The tables of a TOML file. Raises `UsageError` with the place of what is not TOML."""
    try:
        tables: dict[str, Any] = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{name} is not a TOML file: {error}.") from error
    return tables


def decoded(data: bytes) -> tuple[str, str]:
    """The text of a TOML file, and its encoding, which is UTF-8. Raises `NotWritten`."""
    try:
        return data.decode(), "utf-8"
    except UnicodeError as error:
        raise NotWritten(f"it is not text: {error}") from error


def find_literal(text: str, place: Place) -> Literal:
    """The literal of the key at ``place``. Raises `NotWritten` where it is not found."""
    path = (*place.path, place.argument)
    try:
        tree = tomllib.loads(text)
        value = _at(tree, path)
    except (tomllib.TOMLDecodeError, KeyError, IndexError, TypeError) as error:
        raise NotWritten(f"it has no {_dotted(path)}") from error
    wanted = _with(tree, path, tomllib.loads(f"x = {_TRIAL}")["x"])
    for begin, end in _candidates(text, value):
        if _loads(text[:begin] + _TRIAL + text[end:]) == wanted:
            return Literal(begin, end, value)
    raise NotWritten(f"{_dotted(path)} is no literal on a line of its own")


def find_line(text: str, path: tuple[str | int, ...]) -> int:
    """The line a table begins in, as far as its header says; 1 where it has none."""
    names = [part for part in path if isinstance(part, str)]
    for number, line in enumerate(text.splitlines(), 1):
        header = re.fullmatch(r"\s*\[{1,2}([^\]]*)\]{1,2}\s*(#.*)?", line)
        if header is not None and _keys(header[1]) == names:
            return number
    return 1


def same_but(before: str, after: str, literals: list[tuple[Literal, str]]) -> bool:
    """Whether ``after`` is a TOML file; each of its ``literals`` was found by the change that it makes."""
    return bool(literals) and _loads(after) is not None


def _candidates(text: str, value: Any) -> Iterator[tuple[int, int]]:
    for match in _VALUE.finditer(text):
        found = _loads(f"x = {match[1]}")
        if found is not None and found["x"] == value:
            yield match.span(1)


def _loads(text: str) -> dict[str, Any] | None:
    try:
        tables: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
    return tables


def _keys(header: str) -> list[str]:
    tables: Any = _loads(f"[{header}]")
    keys = []
    while tables:
        ((key, tables),) = tables.items()
        keys.append(key)
    return keys


def _at(tree: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def _with(tree: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(tree)
    _at(changed, path[:-1])[path[-1]] = value
    return changed


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path))


def is_toml(path: str | Path) -> bool:
    """Whether a file is one of TOML, by its name."""
    return Path(path).suffix == ".toml"
