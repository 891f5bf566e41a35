"""Everything that a model holds, found and restored: its tensors, numbers, modules and hooks, in every container."""

from __future__ import annotations

import sys
from collections.abc import Callable
from operator import is_
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import torch

from ..recording.attributes import BUILT_IN, built_in_class, content_of, dictionary_of, is_container, is_set, slots_of
from .sharded import fsdp_objects, fsdp_state

_OBJECTS = 2  # how many objects deep the attributes of a module are followed: a cache, and its entries

_CONSTANTS = frozenset({type(None), bool, int, float, str, FunctionType})
_LEAVES = _CONSTANTS | {torch.Tensor, torch.nn.Parameter}  # they hold nothing
_NOT_OWN = frozenset({*sys.stdlib_module_names, "torch", "numpy"})


class Contents:
    """The containers in which a model holds what it holds, with their content as it is now.

    Registered parameters, buffers and modules are found, tensors in attributes, and what is in containers and objects
    there (``nn.LSTM`` has its weights in a list, a decoder its cache in an object), and in what FSDP keeps beside it.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._of_fsdp: tuple[type, ...] = ()
        self._containers: dict[int, tuple[Any, dict[Any, Any] | list[Any]]] = {}
        self._empty: list[Any] = []  # most of the containers: a module has a dozen dictionaries of hooks
        self._slots: list[tuple[Any, Any, Any]] = []  # a container, a key in it, and a value that may be replaced
        self._slotted: dict[int, tuple[Any, dict[str, Any], dict[str, Any]]] = {}  # objects, and their slots
        self._classes: list[tuple[torch.nn.Module, type]] = []
        self._visit(model, _OBJECTS)

    def _visit(self, value: Any, objects: int) -> None:
        if isinstance(value, torch.nn.Module):
            if not isinstance(value, torch.jit.ScriptModule) and id(vars(value)) not in self._containers:
                self._classes.append((value, type(value)))
                self._enter(vars(value), _OBJECTS)
                if (state := fsdp_state(value)) is not None:
                    self._of_fsdp = fsdp_objects()
                    self._visit(state, _OBJECTS)
        elif is_container(value):
            self._enter(value, objects)
        elif isinstance(value, tuple):
            for item in value:
                if type(item) not in _LEAVES:
                    self._visit(item, objects)
        elif isinstance(value, self._of_fsdp):
            self._enter(vars(value), _OBJECTS)
        elif objects and _is_own_object(value):
            if (own := dictionary_of(value)) is not None:
                self._enter(own, objects - 1)
            self._enter_slots(value, objects - 1)

    def _enter(self, container: Any, objects: int) -> None:
        if id(container) in self._containers:
            return
        content = content_of(container)
        self._containers[id(container)] = (container, content)
        unordered = isinstance(container, set)  # its items are found by their hash, so they are not replaced
        constants, built_in, empty = _CONSTANTS, BUILT_IN, self._empty
        for key, item in content.items() if isinstance(content, dict) else enumerate(content):
            kind = type(item)
            if kind in built_in:
                if item:
                    self._enter(item, objects)
                else:
                    empty.append(item)
                continue
            if kind in constants:
                continue
            if kind is tuple and _CONSTANTS.issuperset(map(type, item)):
                continue
            if not unordered:
                self._slots.append((container, key, item))
            if kind not in _LEAVES:
                self._visit(item, objects)

    def _enter_slots(self, value: Any, objects: int) -> None:
        slots = dict(slots_of(type(value)))
        if not slots or id(value) in self._slotted:
            return
        content = {name: slot.__get__(value) for name, slot in slots.items() if is_set(slot, value)}
        self._slotted[id(value)] = (value, slots, content)
        for item in content.values():
            if type(item) not in _LEAVES:
                self._visit(item, objects)

    def replace(self, replacement: Callable[[Any], Any]) -> None:
        """Put what ``replacement`` returns for each value in its place, and undo ``module.compile()``."""
        for container, key, item in self._slots:
            new = replacement(item)
            if new is item:
                continue
            if type(container) is dict:
                container[key] = new
            else:
                built_in_class(container).__setitem__(container, key, new)
        for value, slots, content in self._slotted.values():
            for name, item in content.items():
                if (new := replacement(item)) is not item:
                    slots[name].__set__(value, new)  # also where a class is frozen
        for module, _ in self._classes:
            if vars(module).get("_compiled_call_impl") is not None:
                vars(module)["_compiled_call_impl"] = None

    def restore(self) -> None:
        """Give every container its content back, and every module its class, whatever happened to them."""
        for module, kind in self._classes:
            if type(module) is not kind:
                module.__class__ = kind  # a lazy module became an ordinary one
        for container in self._empty:
            if container:
                container.clear()
        for value, slots, slotted in self._slotted.values():
            for name, slot in slots.items():
                if name in slotted:
                    slot.__set__(value, slotted[name])
                elif is_set(slot, value):
                    slot.__delete__(value)
        for container, content in self._containers.values():
            if not _holds(container, content):
                _refill(container, content)


def _is_own_object(value: Any) -> bool:
    """Whether a value is an object of a user's own class."""
    kind = type(value)
    if issubclass(kind, (type, FunctionType, ModuleType, torch.Tensor)):
        return False
    return kind.__module__.partition(".")[0] not in _NOT_OWN or kind is SimpleNamespace


def _holds(container: Any, content: Any) -> bool:
    """Whether a container still holds the very same objects in the same order."""
    if len(container) != len(content):
        return False
    if isinstance(container, dict) and not all(map(is_, dict.values(container), content.values())):
        return False
    return all(map(is_, container, content))


def _refill(container: Any, content: Any) -> None:
    """Make a container hold exactly ``content``."""
    kind = built_in_class(container)
    kind.clear(container)
    (kind.update if hasattr(kind, "update") else kind.extend)(container, content)
