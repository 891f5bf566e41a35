"""What the modules around a model held before a count: their names, classes, containers, objects and caches."""

from __future__ import annotations

import functools
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any

import torch

from ..model.attributes import attributes_of
from ..model.modules import modules_of

LruCache = type(functools.lru_cache(int))
_CONTAINERS = (dict, list, set, deque)
_NOT_THEIRS = frozenset({*sys.stdlib_module_names, "torch", "numpy", "pytest", "_pytest", "pytest_modelbudget"}) - {
    "__main__"
}
_DEPTH = 2  # how many containers and objects deep a value is followed


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
            if kind is FunctionType or isinstance(value, type):
                origins.append(value.__module__)
                if value.__module__ == name and isinstance(value, type):
                    self._enter_class(value)
            elif kind is ModuleType:
                origins.append(value.__name__)
            else:
                if kind is LruCache:
                    origins.append(value.__module__)
                self._visit(value, _DEPTH)
        return [origin for origin in origins if origin is not None]

    def _enter_class(self, kind: type) -> None:
        if id(kind) in self.contents:
            return
        content = dict(vars(kind))
        self.contents[id(kind)] = (kind, content)
        for value in content.values():
            if type(value) is not FunctionType:
                self._visit(getattr(value, "__func__", value) if isinstance(value, staticmethod) else value, _DEPTH)

    def _visit(self, value: Any, depth: int) -> None:
        if type(value) is LruCache:
            self.caches[id(value)] = value
        elif not depth or id(value) in self.contents:
            return
        elif isinstance(value, dict):
            self._keep(value, dict(value), depth, value.values())
        elif isinstance(value, (list, set, deque)):
            self._keep(value, list(value), depth, value)
        elif not isinstance(value, (type, FunctionType, ModuleType, torch.Tensor, torch.nn.Module)) and _is_theirs(
            type(value).__module__
        ):
            attributes = attributes_of(value)
            self._keep(value, attributes, depth, attributes.values())
            own = getattr(value, "__dict__", None)
            if isinstance(own, dict):
                self.contents[id(own)] = (own, dict(own))

    def _keep(self, value: Any, content: Any, depth: int, items: Iterable[Any]) -> None:
        self.contents[id(value)] = (value, content)
        for item in list(items):
            self._visit(item, depth - 1)


def _modules_of(target: Any) -> Iterator[str]:
    """The modules that define a factory, or the classes of a model."""
    if isinstance(target, torch.nn.Module):
        yield from {kind.__module__ for own in {type(m) for m in modules_of(target)} for kind in own.__mro__}
        return
    while isinstance(target, functools.partial):
        target = target.func
    yield str(getattr(target, "__module__", None) or type(target).__module__)


def _is_theirs(name: str | None) -> bool:
    return isinstance(name, str) and name.partition(".")[0] not in _NOT_THEIRS
