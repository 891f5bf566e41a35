"""Everything there is to know about a model and about the process, as a value that can be compared."""

from __future__ import annotations

import logging
import random
import warnings
from collections import deque
from types import FunctionType
from typing import Any

import numpy
import torch
from torch import nn
from torch.nn.modules import module as module_hooks

_CONTAINERS = (list, tuple, set, frozenset, deque, dict)
_OPAQUE = (type, FunctionType, torch.jit.ScriptModule)


class Same:
    """One object: equal to itself only. It keeps the object alive, so that no other can take its place."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __repr__(self) -> str:
        return f"{type(self.thing).__name__} at {id(self.thing):#x}"


def of_model(model: Any) -> dict[str, Any]:
    """Each thing that can be reached from a model or any value, by its path: the object, its type and its content."""
    found: dict[str, Any] = {}
    seen: dict[int, str] = {}

    def visit(path: str, value: Any) -> None:
        if id(value) in seen:
            found[path] = ("the same as", seen[id(value)], Same(value))
            return
        if isinstance(value, (int, float, complex, str, bytes, bool, type(None), torch.dtype, torch.Size)):
            found[path] = value
            return
        seen[id(value)] = path
        found[path] = (Same(value), type(value))
        if isinstance(value, torch.Tensor):
            found[f"{path} content"] = _content(value)
            visit(f"{path}.grad", value.grad if value.is_leaf else None)
            for name, item in vars(value).items():
                visit(f"{path}.{name}", item)
        elif isinstance(value, torch.jit.ScriptModule):
            found[f"{path}.training"] = value.training
            for name, tensor in (*value.named_parameters(), *value.named_buffers()):
                found[f"{path}.{name} content"] = _content(tensor)
        elif isinstance(value, dict):
            for key, item in value.items():
                visit(f"{path}[{key!r}]", item)
        elif isinstance(value, (set, frozenset)):
            found[f"{path} content"] = {Same(item) for item in value}
        elif isinstance(value, _CONTAINERS):
            for i, item in enumerate(value):
                visit(f"{path}[{i}]", item)
        elif not isinstance(value, _OPAQUE):
            for name, item in {**getattr(value, "__dict__", {}), **_in_slots(value)}.items():
                visit(f"{path}.{name}", item)
        if isinstance(value, nn.Module) and not isinstance(value, _OPAQUE):
            found[f"{path} order"] = tuple(vars(value)), tuple(value._parameters), tuple(value._buffers)

    visit("model", model)
    return found


def _in_slots(value: Any) -> dict[str, Any]:
    names = {name for kind in type(value).__mro__ for name in vars(kind).get("__slots__", ())} - {
        "__dict__",
        "__weakref__",
    }
    return {name: getattr(value, name) for name in sorted(names) if hasattr(value, name)}


def _content(tensor: torch.Tensor) -> tuple[Any, ...]:
    layout = (tensor.dtype, tensor.device, tensor.layout, tensor.requires_grad, tensor.is_leaf)
    if nn.parameter.is_lazy(tensor):
        return layout
    layout = (*layout, tensor.shape, None if tensor.is_inference() else tensor._version)
    if tensor.is_meta:
        return layout
    dense = tensor.detach().to_dense() if tensor.layout != torch.strided else tensor.detach()
    strides = tensor.stride() if tensor.layout == torch.strided else None
    return (*layout, strides, dense.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())


def of_process() -> dict[str, Any]:
    """What measuring could leave behind outside the model."""
    return {
        "torch's random numbers": torch.get_rng_state().tolist(),
        "Python's random numbers": random.getstate(),
        "numpy's random numbers": [str(part) for part in numpy.random.get_state()],
        "dtype": torch.get_default_dtype(),
        "device": torch.empty(0).device,
        "fast path": torch.backends.mha.get_fastpath_enabled(),
        "grad mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "autocast": torch.is_autocast_enabled("cpu"),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "threads": torch.get_num_threads(),
        "tracing": torch.jit.is_tracing(),
        "dispatch modes": torch._C._len_torch_dispatch_stack(),
        "function modes": torch._C._len_torch_function_stack(),
        "module hooks": {
            name: dict(value)
            for name, value in vars(module_hooks).items()
            if name.startswith("_global_") and isinstance(value, dict)
        },
        "module call": (nn.Module.__call__, nn.Module._call_impl, nn.Module.__setattr__),
        "warnings": list(warnings.filters),
        "fvcore's log": logging.getLogger("fvcore.nn.jit_analysis").level,
    }


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Each path where two fingerprints differ, with what is there in both: empty when nothing changed."""
    missing = object()
    return [
        f"{path}: {before.get(path, 'not there')} -> {after.get(path, 'not there')}"
        for path in {**before, **after}
        if before.get(path, missing) != after.get(path, missing)
    ]
