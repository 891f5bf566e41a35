"""Borrowing a user's model: its tensors are replaced while it is measured, and everything is put back after."""

from __future__ import annotations

import copy
import random
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from operator import is_
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from ..meta.cache import META
from ..meta.execution import meta_like

Replace = Callable[[torch.Tensor], torch.Tensor]


def on_meta(dtype: torch.dtype | None, *, grad: bool, keep: bool = False, changed: bool = False) -> Replace:
    """Tensors without data, floating ones in ``dtype`` if one is asked for; ``keep`` those that have none already.

    Where they are ``changed``, by an optimizer, those that have none are replaced as well.
    """

    def replace(tensor: torch.Tensor) -> torch.Tensor:
        kind = type(tensor)
        if kind is torch.nn.Parameter and dtype is None and not keep and not changed and tensor.is_meta:
            return torch.Tensor._make_subclass(kind, tensor, tensor.requires_grad)  # it detaches by itself
        if kind not in _LEAVES and is_lazy(tensor):
            # Once materialised it takes data made in forward; on meta, PyTorch wants both made in the same mode.
            with torch.inference_mode(not grad):
                return _still_lazy(tensor, dtype, META)
        if keep and tensor.is_meta and dtype is None:
            return tensor
        return _cast(tensor.detach() if tensor.is_meta and not changed else meta_like(tensor), dtype)

    return replace


def copied(dtype: torch.dtype | None) -> Replace:
    """Copies with data; a tensor that has none gets small seeded values."""

    def replace(tensor: torch.Tensor) -> torch.Tensor:
        if is_lazy(tensor):
            return _still_lazy(tensor, dtype, torch.device("cpu") if tensor.device == META else tensor.device)
        if tensor.is_meta:
            filled = torch.zeros(tensor.shape, dtype=tensor.dtype, device="cpu")
            return _cast(filled.normal_(0, 0.02) if tensor.is_floating_point() else filled, dtype)
        return _cast(tensor.detach().clone(), dtype)

    return replace


def moved(dtype: torch.dtype | None, device: torch.device) -> Replace:
    """Copies with data on ``device``."""
    copy = copied(dtype)

    def replace(tensor: torch.Tensor) -> torch.Tensor:
        new = copy(tensor)
        return new if is_lazy(new) else new.to(device)

    return replace


def kept(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor itself."""
    return tensor


def _cast(tensor: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    return tensor.to(dtype) if dtype is not None and tensor.is_floating_point() else tensor


def _still_lazy(tensor: torch.Tensor, dtype: torch.dtype | None, device: torch.device) -> torch.Tensor:
    chosen = dtype if dtype is not None and tensor.dtype.is_floating_point else tensor.dtype
    lazy: Any = type(tensor)
    new: torch.Tensor = lazy(requires_grad=tensor.requires_grad, device=device, dtype=chosen)
    return new


def original_of(module: torch.nn.Module) -> torch.nn.Module:
    """The module that a compiled one was made from, or the module itself."""
    modules = vars(module).get("_modules")
    original = modules.get("_orig_mod") if isinstance(modules, dict) else None  # a scripted one's are no dictionary
    return original if isinstance(original, torch.nn.Module) else module


def modules_of(model: torch.nn.Module) -> list[torch.nn.Module]:
    """``model.modules()``, without a generator inside another for each level."""
    found: dict[int, torch.nn.Module] = {}
    waiting = [model]
    while waiting:
        module = waiting.pop()
        if id(module) not in found:
            found[id(module)] = module
            if module._modules:
                waiting += [child for child in reversed(module._modules.values()) if child is not None]
    kinds = {type(module) for module in found.values()}
    if all(kind.named_modules is _NAMED and kind.modules is _MODULES for kind in kinds):
        return list(found.values())
    return list(model.modules())


def weights_of(model: torch.nn.Module, modules: list[torch.nn.Module]) -> Iterator[torch.Tensor]:
    """The parameters and buffers of ``model`` and of its ``modules``, without those that are lazy still."""
    kind = type(model)
    if any(getattr(kind, name) is not usual for name, usual in _MEMBERS.items()):
        found: Iterable[torch.Tensor | None] = (*model.parameters(), *model.buffers())
    else:
        found = [t for module in modules for own in (module._parameters, module._buffers) for t in own.values()]
    return (t for t in found if t is not None and (type(t) in _LEAVES or not is_lazy(t)))


def set_mode(model: torch.nn.Module, modules: list[torch.nn.Module], *, training: bool) -> None:
    """As ``model.train(training)``: at once, where none of its ``modules`` has a way of its own to change its mode."""
    if any(kind.train is not _TRAIN or kind.eval is not _EVAL for kind in {type(module) for module in modules}):
        model.train() if training else model.eval()
        return
    for module in modules:
        vars(module)["training"] = training


_TRAIN, _EVAL = torch.nn.Module.train, torch.nn.Module.eval
_MEMBERS = {
    name: getattr(torch.nn.Module, name)
    for name in ("parameters", "buffers", "named_parameters", "named_buffers", "_named_members")
}
_NAMED, _MODULES = torch.nn.Module.named_modules, torch.nn.Module.modules


@contextmanager
def borrowed(model: torch.nn.Module, replace: Replace) -> Iterator[None]:
    """Replace every tensor of ``model`` inside, then restore tensors, modes, hooks, attributes and classes.

    Registered parameters and buffers are replaced, and tensors in plain attributes, and in containers and objects
    there (``nn.LSTM`` keeps its weights in a list, a decoder its cache in an object). A tensor that occurs twice is
    replaced by one. Scripted modules are replaced by copies, compiled ones by the modules they were made from.
    """
    held = _Held(model)
    try:
        held.replace(_Replacer(replace))
        yield
    finally:
        held.restore()


_OBJECTS = 2  # how many objects deep a module's attributes are followed: a cache, and its entries


class _Held:
    """What a model holds: every container its tensors, numbers, modules and hooks are in, as it was."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._containers: dict[int, tuple[Any, dict[Any, Any] | list[Any]]] = {}
        self._empty: list[Any] = []  # most of them: a module has a dozen dictionaries of hooks
        self._slots: list[tuple[Any, Any, Any]] = []  # a container, a key, and what is there that may be replaced
        self._classes: list[tuple[torch.nn.Module, type]] = []
        self._visit(model, _OBJECTS)

    def _visit(self, value: Any, objects: int) -> None:
        if isinstance(value, torch.nn.Module):
            if not isinstance(value, torch.jit.ScriptModule) and id(vars(value)) not in self._containers:
                self._classes.append((value, type(value)))
                self._enter(vars(value), _OBJECTS)
        elif isinstance(value, _CONTAINERS):
            self._enter(value, objects)
        elif isinstance(value, tuple):
            for item in value:
                if type(item) not in _LEAVES:
                    self._visit(item, objects)
        elif objects and _is_plain(value):
            self._enter(vars(value), objects - 1)

    def _enter(self, container: Any, objects: int) -> None:
        if id(container) in self._containers:
            return
        content = dict(container) if isinstance(container, dict) else list(container)
        self._containers[id(container)] = (container, content)
        stays = isinstance(container, set)  # what is in a set is looked up by identity
        simple, plain, empty = _SIMPLE, _PLAIN_CONTAINERS, self._empty
        for key, item in content.items() if isinstance(content, dict) else enumerate(content):
            kind = type(item)
            if kind in plain:
                if item:
                    self._enter(item, objects)
                else:
                    empty.append(item)
                continue
            if kind in simple:
                continue
            if kind is tuple and _SIMPLE.issuperset(map(type, item)):
                continue
            if not stays:
                self._slots.append((container, key, item))
            if kind not in _LEAVES:
                self._visit(item, objects)

    def replace(self, replacer: _Replacer) -> None:
        """Put what ``replacer`` makes of each thing in its place."""
        for container, key, item in self._slots:
            new = replacer.value(item)
            if new is item:
                continue
            if type(container) is dict:
                container[key] = new
            else:
                _base(container).__setitem__(container, key, new)
        for module, _ in self._classes:
            if vars(module).get("_compiled_call_impl") is not None:  # module.compile(): count the original
                vars(module)["_compiled_call_impl"] = None

    def restore(self) -> None:
        """Give everything its first content and class back, whatever happened to it."""
        for module, kind in self._classes:
            if type(module) is not kind:
                module.__class__ = kind  # a lazy module became its final class
        for container in self._empty:
            if container:
                container.clear()
        for container, content in self._containers.values():
            if not _same(container, content):
                _refill(container, content)


class _Replacer:
    """Replaces tensors, scripted and compiled modules, each one once."""

    def __init__(self, replace: Replace) -> None:
        self._replace = replace
        self._done: dict[int, tuple[Any, Any]] = {}

    def value(self, value: Any) -> Any:
        """What stands in for ``value``: often itself."""
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

    def _once(self, value: Any, new: Any) -> Any:
        self._done[id(value)] = (value, new)
        return new

    def _tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        new = self._replace(tensor)
        if new is tensor:
            return tensor
        kind = type(tensor)
        parameter = kind is torch.nn.Parameter or (kind is not torch.Tensor and isinstance(tensor, torch.nn.Parameter))
        if parameter and (type(new) is torch.Tensor or not isinstance(new, torch.nn.Parameter)):
            new = torch.Tensor._make_subclass(torch.nn.Parameter, new, tensor.requires_grad)
        named = getattr(tensor, "__dict__", None)
        if named:
            for name, value in named.items():
                setattr(new, name, value)
        return new

    def _scripted(self, module: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
        new = scripted_copy(module)
        for tensor in (*new.parameters(), *new.buffers()):
            tensor.data = tensor.data.to(self._replace(tensor).dtype)
        return new


def scripted_copy(module: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    """A copy whose parameters are leaves, as those of the original: with autograd on they would be its children."""
    with torch.no_grad():
        new: torch.jit.ScriptModule = copy.deepcopy(module)
    for tensor, original in zip(new.parameters(), module.parameters(), strict=True):
        tensor.requires_grad_(original.requires_grad)
    return new


_CONTAINERS = (dict, list, set, deque)
_PLAIN_CONTAINERS = frozenset({OrderedDict, *_CONTAINERS})
_SIMPLE = frozenset({type(None), bool, int, float, str, FunctionType})
_LEAVES = _SIMPLE | {torch.Tensor, torch.nn.Parameter}  # there is nothing to visit in them
_FOREIGN = frozenset({*sys.stdlib_module_names, "torch", "numpy"})


def _is_plain(value: Any) -> bool:
    """Whether a value is an object of a user's own class, that may hold state."""
    if isinstance(value, (type, FunctionType, ModuleType, torch.Tensor)):
        return False
    kind = type(value)
    own = kind.__module__.partition(".")[0] not in _FOREIGN or kind is SimpleNamespace
    return own and isinstance(getattr(value, "__dict__", None), dict)


def _base(container: Any) -> Any:
    """The built-in class of a container: a subclass may have an opinion on what is put in it."""
    own = type(container)
    if own in _PLAIN_CONTAINERS:
        return own
    return next(kind for kind in (OrderedDict, dict, list, set, deque) if isinstance(container, kind))


def _same(container: Any, content: Any) -> bool:
    """Whether a container still holds the very same things in the same order."""
    if len(container) != len(content):
        return False
    if isinstance(container, dict) and not all(map(is_, dict.values(container), content.values())):
        return False
    return all(map(is_, container, content))


def _refill(container: Any, content: Any) -> None:
    """Make a container hold exactly ``content``."""
    kind = _base(container)
    kind.clear(container)
    (kind.update if hasattr(kind, "update") else kind.extend)(container, content)


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
            torch.set_default_device(None if device.type == "cpu" else device)
        random.setstate(states[0])
        torch.set_rng_state(states[1])
        if numpy:
            numpy.random.set_state(states[2])
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


@contextmanager
def same_everywhere() -> Iterator[None]:
    """Measure the same wherever the call stands: under inference mode, autocast, ``torch.device("meta")``, or none."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device() == META:
            stack.enter_context(torch.device("cpu"))
        yield


def seed() -> None:
    """Start the random number generators anew. CUDA's only if it runs: else a seed would wait for it to start."""
    random.seed(0)
    torch.default_generator.manual_seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(0)
