"""Whether an operator that failed on the meta device runs with data, so that data is all that it lacked."""

from __future__ import annotations

from typing import Any

import torch

from .layout import extent

_MOST = 1 << 24
"""The most elements, of all arguments together, that an operator is tried with."""


def runs_with_data(operator: Any, args: Any, kwargs: dict[str, Any]) -> bool | None:
    """Call an operator with zeros in the place of all tensors. Returns whether it ran.

    ``None`` where that tells nothing: the arguments are large, or it failed and they have integers, such as lengths,
    of which zero may be the wrong one.
    """
    tensors = [value for value in _flat((args, kwargs)) if isinstance(value, torch.Tensor)]
    if any(t.layout is not torch.strided or t.is_nested or t.is_quantized for t in tensors):
        return None
    if sum(map(extent, tensors)) > _MOST:
        return None
    try:
        operator(*_with_zeros(args), **_with_zeros(kwargs))
    except Exception:  # noqa: BLE001 - whatever it raises, it does not run
        return None if any(not t.is_floating_point() for t in tensors) else False
    return True


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    return [part for item in value for part in _flat(item)] if isinstance(value, (list, tuple)) else [value]


def _with_zeros(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return torch.empty_strided(value.size(), value.stride(), dtype=value.dtype, device="cpu").zero_()
    if isinstance(value, torch.device):
        return torch.device("cpu")
    if isinstance(value, dict):
        return {name: _with_zeros(item) for name, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_with_zeros(item) for item in value)
    return value
