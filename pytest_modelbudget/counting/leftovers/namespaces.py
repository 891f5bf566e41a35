"""What the modules around a model held before a count: their names, classes, containers, objects and caches."""

from __future__ import annotations

import functools
import sys
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from types import FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import torch

from ..model.attributes import attributes_of
from ..model.modules import modules_of
from ..model.target import Prebuilt

LruCache = type(functools.lru_cache(int))
_NOT_THEIRS = frozenset({*sys.stdlib_module_names, "torch", "numpy", "pytest", "_pytest", "pytest_modelbudget"}) - {
    "__main__"
}
_DEPTH = 3  # how many containers, functions and objects deep a value is followed
_PLAIN = frozenset({type(None), bool, int, float, str, bytes, tuple, torch.Tensor, torch.dtype})
_METHODS = (staticmethod, classmethod, MethodType)
_HELD_BY = (weakref.WeakKeyDictionary, weakref.WeakValueDictionary, threading.local, SimpleNamespace)


class Namespaces:
    """The content of namespaces and of the containers in them, as it was when they were added."""

    def __init__(self) -> None:
        self.contents: dict[int, tuple[Any, Any]] = {}  # by id: a container, class or object, and what it held
        self.caches: dict[int, Any] = {}  # functions with an lru_cache
        self._modules: set[str] = set()

    def add_around(self, target: Any) -> None:
        """Add the modules that define a factory, or the classes of a model, and those that they import from."""
        for name in {origin for kind in _modules_of(target) for origin in (kind, *self._add(kind))}:
            self._add(name)

    def add(self, names: Iterable[str]) -> None:
        """Add modules."""
        for name in names:
            self._add(name)

    def _add(self, name: str) -> list[str]:
        """Add a module. Returns the modules that its names come from."""
        module = sys.modules.get(name)
        if not _is_theirs(name) or not isinstance(module, ModuleType):
            return []
        space, origins = vars(module), []
        if name not in self._modules:
            self._modules.add(name)
            self.contents[id(space)] = (space, dict(space))
        for value in list(space.values()):
            kind = type(value)
            if kind is FunctionType or kind is LruCache or isinstance(value, type):
                origins.append(value.__module__)
                if value.__module__ == name:
                    self._visit(value, _DEPTH)
            elif kind is ModuleType:
                origins.append(value.__name__)
            elif kind not in _PLAIN:
                self._visit(value, _DEPTH)
        return [origin for origin in origins if origin is not None]

    def _visit(self, value: Any, depth: int) -> None:
        if not depth or id(value) in self.contents:
            return
        kind = type(value)
        if kind is FunctionType:
            self._visit_function(value, depth)
        elif isinstance(value, _METHODS):
            self._visit(value.__func__, depth)
        elif kind is LruCache:
            self.caches[id(value)] = value
        elif isinstance(value, type):
            if _is_theirs(value.__module__):
                content = dict(vars(value))
                self._keep(value, content, depth, [item for item in content.values() if type(item) not in _PLAIN])
        elif isinstance(value, dict):
            content = dict(dict.items(value))  # what it holds: a lazy one would import what it stands for
            self._keep(value, content, depth, content.values())
        elif isinstance(value, (list, set, deque)):
            self._keep(value, list(value), depth, value)
        elif isinstance(value, _HELD_BY):
            self._keep_attributes(value, {}, depth)
        elif not isinstance(value, (ModuleType, torch.Tensor, torch.nn.Module)) and _is_theirs(kind.__module__):
            self._keep_attributes(value, attributes_of(value), depth)

    def _visit_function(self, function: FunctionType, depth: int) -> None:
        """Add the attributes of a function, what is in its default values, and its enclosing variables."""
        for item in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            if type(item) not in _PLAIN:
                self._visit(item, depth)
        for cell in function.__closure__ or ():
            if id(cell) not in self.contents:
                try:
                    content = cell.cell_contents
                except ValueError:  # it is empty
                    continue
                self._keep(cell, content, depth, [content])
        own = vars(function)
        if id(own) not in self.contents:
            self._keep(own, dict(own), depth, own.values())

    def _keep_attributes(self, value: Any, attributes: dict[str, Any], depth: int) -> None:
        self._keep(value, attributes, depth, attributes.values())
        own = getattr(value, "__dict__", None)
        if isinstance(own, dict):
            self._keep(own, dict(own), depth, own.values())

    def _keep(self, value: Any, content: Any, depth: int, items: Iterable[Any]) -> None:
        self.contents[id(value)] = (value, content)
        for item in list(items):
            self._visit(item, depth - 1)


def _modules_of(target: Any) -> Iterator[str]:
    """The modules that define a factory, or the classes of a model."""
    if isinstance(target, Prebuilt):
        target = target.model
    if isinstance(target, torch.nn.Module):
        yield from {kind.__module__ for own in {type(m) for m in modules_of(target)} for kind in own.__mro__}
        return
    while isinstance(target, functools.partial):
        target = target.func
    yield str(getattr(target, "__module__", None) or type(target).__module__)


def _is_theirs(name: str | None) -> bool:
    return isinstance(name, str) and name.partition(".")[0] not in _NOT_THEIRS
