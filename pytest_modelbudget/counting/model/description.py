"""The arguments of forward as text: ``float32 (1, 3, 224, 224)``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from ..recording.tensors import tensors_in

_MOST = 4
"""How many parts of a value are shown, and how deep they are in one another."""


def described(arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> str:
    """The arguments of forward as text; of an object, its class and its tensors."""
    parts = [_described(value, _MOST) for value in arguments]
    return ", ".join([*parts, *(f"{name}={_described(value, _MOST)}" for name, value in keywords.items())])


def _described(value: Any, depth: int) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    kind = type(value)
    if kind is list or kind is tuple:
        items = [_described(item, depth - 1) for item in value[:_MOST]] if depth else []
        return f"[{_several(items, len(value))}]"
    tensors = list(tensors_in(value))
    if not tensors:
        return brief(value)
    if kind is dict:
        pairs = list(value.items())[:_MOST] if depth else []
        return f"{{{_several([f'{name}: {_described(item, depth - 1)}' for name, item in pairs], len(value))}}}"
    return f"{kind.__name__}({_several([_described(tensor, depth) for tensor in tensors[:_MOST]], len(tensors))})"


def _several(shown: list[str], count: int) -> str:
    return ", ".join([*shown, "..."] if count > len(shown) else shown)


def brief(value: Any) -> str:
    """A value on one line, cut where it is long; of an array, its dtype and size."""
    shape, dtype = getattr(value, "shape", ()), getattr(value, "dtype", None)
    if shape and isinstance(shape, tuple) and dtype is not None:
        return f"{type(value).__name__}({dtype} {shape})"
    text = without_addresses(" ".join(repr(value).split()))
    return text if len(text) <= 60 else text[:57] + "..."


_AT = " at 0x"
_ADDRESS = re.compile(_AT + r"[0-9A-Fa-f]+")


def without_addresses(text: str) -> str:
    """A text without the addresses that are in the default text of objects, and differ between processes."""
    return _ADDRESS.sub("", text) if _AT in text else text
