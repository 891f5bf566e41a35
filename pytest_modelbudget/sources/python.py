"""The literal of an argument in a call of a Python file, by the file's syntax tree."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

from ..values.written import Place
from .literal import Literal, NotWritten

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")  # Python's lines end there, and nowhere else


def decoded(data: bytes) -> tuple[str, str]:
    """The text of a Python file, and its encoding, which its first lines say.

    Raises `NotWritten` for a file that is not text in that encoding, or that would not come out of it unchanged.
    """
    try:
        lines = io.BytesIO(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))  # readline knows the last of these alone
        encoding, _ = tokenize.detect_encoding(lines.readline)
        text = data.decode(encoding)
        same = text.encode(encoding) == data
    except (SyntaxError, UnicodeError) as error:
        raise NotWritten(f"it is not text: {error}") from error
    if not same:
        raise NotWritten(f"its bytes are not those that {encoding} gives its text")
    return text, encoding


def find_literal(text: str, place: Place) -> Literal:
    """The literal of the argument at ``place``. Raises `NotWritten` where there is none of its own in the call."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise NotWritten(f"it is not Python: {error}") from error
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_at(node, place)]
    arguments = [keyword for call in found for keyword in call.keywords if keyword.arg == place.argument]
    if len(arguments) != 1:
        several = "several calls are written" if len(arguments) > 1 else "no such argument is written"
        raise NotWritten(f"{several} in the call of line {place.line}")
    node = arguments[0].value
    if not isinstance(node, ast.Constant) or isinstance(node.value, (bytes, bool, complex)) or node.value is None:
        raise NotWritten(f"it is {ast.unparse(node)} in line {node.lineno}, which is no literal")
    starts = list(_starts(text))
    begin = starts[node.lineno - 1] + _column(text, starts[node.lineno - 1], node.col_offset)
    assert node.end_lineno is not None  # ast.parse gives every expression its end
    assert node.end_col_offset is not None
    end = starts[node.end_lineno - 1] + _column(text, starts[node.end_lineno - 1], node.end_col_offset)
    return Literal(begin, end, node.value)


def _is_at(call: ast.Call, place: Place) -> bool:
    """Two calls may begin together, as ``f(1)(2)`` do, but each ends with a bracket of its own."""
    if place.end is not None:
        return (call.end_lineno, call.end_col_offset) == place.end
    return call.lineno == place.line


def _starts(text: str) -> Iterator[int]:
    """Where each line begins."""
    return (match.start() for match in _LINE.finditer(text))


def _column(text: str, start: int, offset: int) -> int:
    """A column in characters, from one in bytes of UTF-8."""
    line = _LINE.match(text, start)
    assert line is not None  # the pattern matches an empty line, too
    return len(line[0].encode()[:offset].decode())


def same_but(before: str, after: str, literals: list[tuple[Literal, str]]) -> bool:
    """Whether ``after`` is the program ``before`` with other ``literals``, and nothing else changed in it."""
    old, new = ast.parse(before), ast.parse(after)
    values = [ast.literal_eval(now) for _, now in sorted(literals)]
    changed = []
    for a, b in zip(ast.walk(old), ast.walk(new), strict=False):
        if isinstance(a, ast.Constant) and isinstance(b, ast.Constant) and (a.value, a.kind) != (b.value, b.kind):
            changed.append(b.value)
            a.value, a.kind = b.value, b.kind
    return ast.dump(old) == ast.dump(new) and not [value for value in changed if value not in values]
