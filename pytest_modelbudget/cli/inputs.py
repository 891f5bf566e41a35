"""The values of ``--inputs``: tensors by their shapes, or the function of a file that gives them all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..errors import UsageError
from ..targets.find import find_target
from ..values.input_tensor import InputTensor, tensor

_SIZE = re.compile(r"\s*(\d+|[A-Za-z_]\w*)\s*", re.ASCII)
_FUNCTION = re.compile(r".+\.py:[\w.]+|\w+(\.\w+)*\.\w+:[\w.]+")
"""A file or a dotted module, and a name in it. What else has a colon says a dtype behind it."""

_FORMS = "batch,80,seq, ids=batch,seq:int64, or path/file.py:function"


def read_inputs(given: Sequence[str]) -> Any:
    """What ``inputs=`` of `measure` is for the values of ``--inputs``: a list, a dict, both in a pair, or a callable.

    Raises `UsageError` for a value that cannot be read, and for a function beside others.
    """
    positional: list[InputTensor] = []
    keywords: dict[str, InputTensor] = {}
    for text in given:
        if is_function(text):
            if len(given) > 1:
                raise UsageError(f"--inputs {text}: a function gives all inputs. Leave the other --inputs out.")
            return find_target(text).model
        name, equals, shape = text.rpartition("=")
        name = name.strip()
        if equals and (not name.isidentifier() or name in keywords):
            why = "is given twice" if name in keywords else "is not the name of a parameter of forward"
            raise UsageError(f"--inputs {text}: {name!r} {why}. Write such as {_FORMS}.")
        if equals:
            keywords[name] = _tensor(shape, text)
        else:
            positional.append(_tensor(shape, text))
    if keywords:
        return (tuple(positional), keywords) if positional else keywords
    return positional


def is_function(text: str) -> bool:
    """Whether a value names a function."""
    return _FUNCTION.fullmatch(text) is not None


def _tensor(shape: str, text: str) -> InputTensor:
    """``batch,80,seq`` or ``batch,seq:int64``; no size is a single number.

    Of no dtype, ``batch,seq`` alone is of token ids, as ``--seq`` makes them; all others are float.
    """
    sizes, _, dtype = (part.strip() for part in shape.partition(":"))
    parts = sizes.split(",") if sizes else []
    if not all(map(_SIZE.fullmatch, parts)) or shape.rstrip().endswith(":") or (not parts and not dtype):
        raise UsageError(f"--inputs {text}: {shape!r} is not a shape. Write such as {_FORMS}.")
    wanted = [int(part) if part.strip().isdecimal() else part.strip() for part in parts]
    try:
        return tensor(*wanted, dtype=dtype or ("int64" if wanted == ["batch", "seq"] else None))
    except UsageError as error:
        raise UsageError(f"--inputs {text}: {error}") from None
