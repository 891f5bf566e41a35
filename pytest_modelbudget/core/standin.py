"""Borrowing a user's model: its tensors are replaced while it is measured, and everything is put back after."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from .execution import meta_like
from .remember import META

Replace = Callable[[torch.Tensor], torch.Tensor]


def on_meta(dtype: torch.dtype | None) -> Replace:
    """Tensors without data, floating ones in ``dtype`` if one is asked for."""

    def replace(tensor: torch.Tensor) -> torch.Tensor:
        if torch.nn.parameter.is_lazy(tensor):
            return type(tensor)(requires_grad=tensor.requires_grad, device=META, dtype=tensor.dtype)  # type: ignore[call-arg]
        return _cast(tensor.detach() if tensor.is_meta else meta_like(tensor), dtype)

    return replace


def copied(dtype: torch.dtype | None) -> Replace:
    """Copies with data; a tensor that has none gets small seeded values."""

    def replace(tensor: torch.Tensor) -> torch.Tensor:
        if torch.nn.parameter.is_lazy(tensor):
            return type(tensor)(requires_grad=tensor.requires_grad, dtype=tensor.dtype)  # type: ignore[call-arg]
        if tensor.is_meta:
            filled = torch.zeros(tensor.shape, dtype=tensor.dtype, device="cpu")
            return _cast(filled.normal_(0, 0.02) if tensor.is_floating_point() else filled, dtype)
        return _cast(tensor.detach().clone(), dtype)

    return replace


def _cast(tensor: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    return tensor.to(dtype) if dtype is not None and tensor.is_floating_point() else tensor


@contextmanager
def borrowed(model: torch.nn.Module, replace: Replace) -> Iterator[None]:
    """Replace every tensor of ``model`` inside, then restore tensors, modes, hooks, attributes and classes.

    Registered parameters and buffers are replaced, and tensors in plain attributes and in lists and
    dicts there (``nn.LSTM`` keeps its weights in one). A tensor that occurs twice is replaced by one.
    """
    modules = [m for m in model.modules() if not isinstance(m, torch.jit.ScriptModule)]
    scripted = [m for m in model.modules() if isinstance(m, torch.jit.ScriptModule)]
    saved = [(module, type(module), _snapshot(vars(module))) for module in modules]
    training = [(module, module.training) for module in scripted]
    try:
        replacer = _Replacer(replace)
        for module in modules:
            replacer.module(module)
        yield
    finally:
        for module, kind, state in saved:
            if type(module) is not kind:
                module.__class__ = kind  # a lazy module became its final class
            _restore(vars(module), state)
        for module, mode in training:
            module.training = mode


class _Replacer:
    """Replaces tensors wherever a module keeps them, each one once."""

    def __init__(self, replace: Replace) -> None:
        self._replace = replace
        self._done: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def module(self, module: torch.nn.Module) -> None:
        for name, value in list(vars(module).items()):
            if name in ("_parameters", "_buffers"):
                for key, tensor in list(value.items()):
                    if tensor is not None:
                        value[key] = self.tensor(tensor)
            elif name not in ("_modules", "_compiled_call_impl") and not name.endswith("_hooks"):
                replaced = self.value(value)
                if replaced is not value:
                    vars(module)[name] = replaced
            elif name == "_compiled_call_impl" and value is not None:
                vars(module)[name] = None  # module.compile(): count the original

    def value(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self.tensor(value)
        if type(value) in (list, tuple):
            items = [self.value(item) for item in value]
            changed = any(new is not old for new, old in zip(items, value, strict=True))
            return type(value)(items) if changed else value
        if isinstance(value, dict) and any(isinstance(item, (torch.Tensor, list, tuple)) for item in value.values()):
            items_by_key = {key: self.value(item) for key, item in value.items()}
            if any(items_by_key[key] is not item for key, item in value.items()):
                copy = value.copy()
                copy.update(items_by_key)
                return copy
        return value

    def tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        known = self._done.get(id(tensor))
        if known is not None:
            return known[1]
        new = self._replace(tensor)
        if isinstance(tensor, torch.nn.Parameter) and not isinstance(new, torch.nn.Parameter):
            new = torch.nn.Parameter(new, requires_grad=tensor.requires_grad)
        for name, value in getattr(tensor, "__dict__", {}).items():
            setattr(new, name, value)
        self._done[id(tensor)] = (tensor, new)
        return new


_CONTAINERS = (dict, list, set)


def _snapshot(state: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {k: (v, v.copy() if isinstance(v, _CONTAINERS) else None) for k, v in state.items()}


def _restore(state: dict[str, Any], saved: dict[str, tuple[Any, Any]]) -> None:
    state.clear()
    for name, (value, content) in saved.items():
        state[name] = value
        if content is None or _same(value, content):
            continue
        value.clear()
        value.extend(content) if isinstance(value, list) else value.update(content)


def _same(value: Any, content: Any) -> bool:
    """Whether a container still holds the very same things in the same order."""
    if len(value) != len(content):
        return False
    if isinstance(value, dict):
        return all(a is b and value[a] is content[b] for a, b in zip(value, content, strict=True))
    if isinstance(value, set):
        return bool(value == content)
    return all(a is b for a, b in zip(value, content, strict=True))


@contextmanager
def undisturbed_process() -> Iterator[None]:
    """Restore what is global: random number generators, default dtype and device, the attention fast path."""
    numpy = sys.modules.get("numpy")
    states = (random.getstate(), torch.get_rng_state(), numpy.random.get_state() if numpy else None)
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        if torch.get_default_dtype() != dtype:
            torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(device)
        random.setstate(states[0])
        torch.set_rng_state(states[1])
        if numpy:
            numpy.random.set_state(states[2])
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
