"""Borrowing a user's model: its tensors are replaced while it is counted, and everything is restored after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..recording.made import note_all
from ..recording.tensors import shares_storage
from .contents import Contents
from .modules import original_of, scripted_copy
from .replacements import Replacement


@contextmanager
def borrowed(model: torch.nn.Module, replacement: Replacement) -> Iterator[None]:
    """Replace every tensor of ``model`` inside, then restore tensors, modes, hooks, attributes and classes.

    A tensor that occurs twice is replaced by one. Scripted modules are replaced by copies, compiled ones by the
    modules they were made from. If ``model`` itself is scripted, it is a copy already.
    """
    contents, replacer = Contents(model), _Replacer(replacement)
    try:
        if isinstance(model, torch.jit.ScriptModule):
            replacer.replace_in_script(model)
        contents.replace(replacer.value)
        yield
    finally:
        contents.restore()
        note_all(replacer.new_tensors())


class _Replacer:
    """Replaces tensors, scripted and compiled modules, each one once."""

    def __init__(self, replacement: Replacement) -> None:
        self._replacement = replacement
        self._done: dict[int, tuple[Any, Any]] = {}

    def value(self, value: Any) -> Any:
        """What replaces ``value``: itself, unless it is, or is a tuple with, a tensor or such a module."""
        known = self._done.get(id(value))
        if known is not None:
            return known[1]
        kind = type(value)
        if issubclass(kind, torch.Tensor):
            return self._once(value, self._tensor(value))
        if issubclass(kind, torch.nn.Module):
            if isinstance(value, torch.jit.ScriptModule):
                return self._once(value, self._scripted(value))
            return original_of(value)
        if issubclass(kind, tuple):
            items = [self.value(item) for item in value]
            if any(new is not old for new, old in zip(items, value, strict=True)):
                return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
        return value

    def new_tensors(self) -> list[torch.Tensor]:
        """The tensors that replace others, without those that share the storage of what they replace."""
        return [
            new
            for old, new in self._done.values()
            if new is not old and isinstance(new, torch.Tensor) and not (old.is_meta and shares_storage(old, new))
        ]

    def replace_in_script(self, module: torch.jit.ScriptModule) -> None:
        """Replace the tensors of a scripted module, which its C++ object holds: also those in lists (``nn.LSTM``)."""
        parts: Iterable[Any] = module.modules()
        for part in parts:
            for name in part._concrete_type.get_attributes():
                value = part._c.getattr(name)
                if (new := self._in_script(value)) is not value:
                    part._c.setattr(name, new)

    def _in_script(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            new = self.value(value)
            return new.requires_grad_() if value.requires_grad else new  # none of them is an nn.Parameter
        if isinstance(value, (list, tuple)) and any(isinstance(item, torch.Tensor) for item in value):
            return type(value)(map(self._in_script, value))
        if isinstance(value, dict) and any(isinstance(item, torch.Tensor) for item in value.values()):
            return {name: self._in_script(item) for name, item in value.items()}
        return value

    def _once(self, value: Any, new: Any) -> Any:
        self._done[id(value)] = (value, new)  # with the value, so that no other gets its id
        return new

    def _tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        new = self._replacement(tensor)
        if new is tensor:
            return tensor
        kind = type(tensor)
        parameter = kind is torch.nn.Parameter or (kind is not torch.Tensor and isinstance(tensor, torch.nn.Parameter))
        if parameter and (type(new) is torch.Tensor or not isinstance(new, torch.nn.Parameter)):
            new = _as_parameter(new, tensor.requires_grad)
        attributes = getattr(tensor, "__dict__", None)
        if attributes:
            for name, value in attributes.items():
                if name not in vars(new):  # a subclass keeps in attributes what it stores
                    setattr(new, name, value)
        return new

    def _scripted(self, module: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
        new = scripted_copy(module)
        self.replace_in_script(new)
        return new


def _as_parameter(tensor: torch.Tensor, requires_grad: bool) -> torch.Tensor:
    """A parameter of a tensor: ``nn.Parameter`` itself, or a subclass of tensors that is marked as one."""
    if type(tensor) is torch.Tensor:
        return torch.Tensor._make_subclass(torch.nn.Parameter, tensor, requires_grad)
    return torch.nn.Parameter(tensor, requires_grad)
