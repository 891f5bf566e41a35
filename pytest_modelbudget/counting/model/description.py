"""The arguments of forward as text: ``float32 (1, 3, 224, 224)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..recording.tensors import tensors_in

_MOST = 4
"""How many parts of a value are shown."""


def described(arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> str:
    """The arguments of forward as text; of an object, its class and its tensors."""
    parts = [_described(value) for value in arguments]
    return ", ".join([*parts, *(f"{name}={_described(value)}" for name, value in keywords.items())])


def _described(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    kind = type(value)
    if kind is list or kind is tuple:
        return f"[{_several([_described(item) for item in value[:_MOST]], len(value))}]"
    tensors = list(tensors_in(value))
    if not tensors:
        return brief(value)
    if kind is dict:
        pairs = list(value.items())[:_MOST]
        return f"{{{_several([f'{name}: {_described(item)}' for name, item in pairs], len(value))}}}"
    return f"{kind.__name__}({_several([_described(tensor) for tensor in tensors[:_MOST]], len(tensors))})"


def _several(shown: list[str], count: int) -> str:
    return ", ".join(shown) + (", ..." if count > len(shown) else "")


def brief(value: Any) -> str:
    """The text of a value, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
