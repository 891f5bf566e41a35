"""What the modules around a model held before a count: their names, classes, containers, objects and caches."""

from __future__ import annotations

import functools
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from enum import Enum, EnumMeta
from types import FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import torch

from ..model.modules import modules_of
from ..model.target import Prebuilt
from ..recording.attributes import CONTAINERS, attributes_of, content_of, dictionary_of

LruCache = type(functools.lru_cache(int))
_NOT_THEIRS = frozenset({*sys.stdlib_module_names, "torch", "numpy", "pytest", "_pytest", "pytest_modelbudget"}) - {
    "__main__"
}
_DEPTH = 3  # how many containers, functions and objects deep a value is followed
_FEW = 64  # the items of a container that are followed; one with more is a registry, and copied only
_PLAIN = frozenset({type(None), bool, int, float, str, bytes, tuple, torch.Tensor, torch.dtype})
_CONSTANTS = _PLAIN - {tuple}
_NOT_FOLLOWED = (ModuleType, torch.Tensor, torch.nn.Module, Enum)  # the members of an enumeration are constants
_METHODS = (staticmethod, classmethod, MethodType)
_HELD_BY = (weakref.WeakKeyDictionary, weakref.WeakValueDictionary, threading.local, SimpleNamespace)

_Visit = Callable[[Any, int], None]


class Namespaces:
    """The content of namespaces and of the containers in them, as it was when they were added."""

    def __init__(self) -> None:
        self.contents: dict[int, tuple[Any, Any]] = {}  # by id: a container, class or object, and what it held
        self.caches: dict[int, Any] = {}  # functions with an lru_cache
        self._modules: set[str] = set()
        self._bare: list[dict[str, Any]] = []  # attributes of functions that have none
        self._visits: dict[type, _Visit] = {}  # by class

    def complete(self) -> None:
        """Add to `contents` what was put off for the time that it takes."""
        self.contents.update((id(own), (own, {})) for own in self._bare)
        self._bare.clear()

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
            if kind in _PLAIN:
                continue
            if kind is FunctionType or kind is LruCache or issubclass(kind, type):
                origin = value.__module__
                origins.append(origin)
                if origin == name:
                    self._visit(value, _DEPTH)
            elif kind is ModuleType:
                origins.append(value.__name__)
            else:
                self._visit(value, _DEPTH)
        return [origin for origin in origins if origin is not None]

    def _visit(self, value: Any, depth: int) -> None:
        """Add what a value holds. Nothing is called that its class defines."""
        kind = type(value)
        visit = self._visits.get(kind)
        if visit is None:
            visit = self._visits[kind] = self._visit_of(kind)
        if id(value) not in self.contents:
            visit(value, depth)

    def _visit_of(self, kind: type) -> _Visit:
        """How values of a class are added."""
        if kind is FunctionType:
            return self._visit_function
        if kind is LruCache:
            return self._visit_cache
        if issubclass(kind, _METHODS):
            return self._visit_method
        if issubclass(kind, type):
            return _leave if issubclass(kind, EnumMeta) else self._visit_class
        if issubclass(kind, CONTAINERS):
            return self._visit_container
        if issubclass(kind, _HELD_BY):
            return self._visit_holder
        if issubclass(kind, _NOT_FOLLOWED) or not _is_theirs(kind.__module__):
            return _leave
        return self._visit_object

    def _visit_function(self, function: Any, depth: int) -> None:
        """Add the attributes of a function, what is in its default values, and its enclosing variables."""
        self._follow((*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()), depth)
        for cell in function.__closure__ or ():
            if id(cell) not in self.contents:
                try:
                    content = cell.cell_contents
                except ValueError:  # it is empty
                    continue
                self._keep(cell, content, depth, (content,))
        self._visit_plain_function(function, depth)

    def _visit_plain_function(self, function: Any, depth: int) -> None:
        """Add the attributes of a function: most functions have none."""
        own = function.__dict__
        if own:
            self._keep(own, dict(own), depth, own.values())
        else:
            self._bare.append(own)

    def _visit_cache(self, function: Any, depth: int) -> None:
        self.caches[id(function)] = function

    def _visit_method(self, method: Any, depth: int) -> None:
        self._visit(method.__func__, depth)

    def _visit_class(self, kind: Any, depth: int) -> None:
        if _is_theirs(kind.__module__):
            content = dict(vars(kind))
            self._keep(kind, content, depth, content.values())

    def _visit_container(self, container: Any, depth: int) -> None:
        content = content_of(container)
        items: Iterable[Any] = content.values() if isinstance(content, dict) else content
        self._keep(container, content, depth, items if len(content) <= _FEW else ())

    def _visit_holder(self, value: Any, depth: int) -> None:
        self._keep_attributes(value, {}, depth)

    def _visit_object(self, value: Any, depth: int) -> None:
        self._keep_attributes(value, attributes_of(value), depth)

    def _keep_attributes(self, value: Any, attributes: dict[str, Any], depth: int) -> None:
        self._keep(value, attributes, depth, attributes.values())
        own = dictionary_of(value)
        if own is not None:
            self._keep(own, dict(own), depth, own.values())

    def _keep(self, value: Any, content: Any, depth: int, items: Iterable[Any]) -> None:
        self.contents[id(value)] = (value, content)
        self._follow(items, depth)

    def _follow(self, items: Iterable[Any], depth: int) -> None:
        if depth > 1:
            for item in items if type(items) is tuple else list(items):
                kind = type(item)
                if kind is FunctionType and _is_plain(item):
                    self._visit_plain_function(item, depth - 1)
                elif kind not in _PLAIN:
                    self._visit(item, depth - 1)


def _is_plain(function: Any) -> bool:
    """Whether a function has no enclosing variables, and no default values that hold anything."""
    if function.__closure__ is not None or function.__kwdefaults__ is not None:
        return False
    defaults = function.__defaults__
    return defaults is None or _CONSTANTS.issuperset(map(type, defaults))


def _leave(value: Any, depth: int) -> None:
    """A value that is not followed."""


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
