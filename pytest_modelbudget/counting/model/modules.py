"""The modules of a model and what they hold: the fast ways where no module overrides PyTorch's own methods."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from ..recording.tensors import PLAIN

_Module = torch.nn.Module
_NAMED_MODULES, _MODULES = _Module.named_modules, _Module.modules
_MEMBERS = {
    name: getattr(_Module, name)
    for name in ("parameters", "buffers", "named_parameters", "named_buffers", "_named_members")
}


def original_of(module: torch.nn.Module) -> torch.nn.Module:
    """The module that ``torch.compile`` made a module from, or the module itself."""
    modules = vars(module).get("_modules")
    original = modules.get("_orig_mod") if isinstance(modules, dict) else None  # a scripted module has no dictionary
    return original if isinstance(original, torch.nn.Module) else module


def is_compiled(module: torch.nn.Module) -> bool:
    """Whether ``torch.compile`` made a module, or ``module.compile()`` compiled it in place."""
    return original_of(module) is not module or bool(getattr(module, "_compiled_call_impl", None))


def modules_of(model: torch.nn.Module) -> list[torch.nn.Module]:
    """``model.modules()`` as a list."""
    found: dict[int, torch.nn.Module] = {}
    waiting = [model]
    while waiting:
        module = waiting.pop()
        if id(module) not in found:
            found[id(module)] = module
            if module._modules:
                waiting += [child for child in reversed(module._modules.values()) if child is not None]
    kinds = {type(module) for module in found.values()}
    if all(kind.named_modules is _NAMED_MODULES and kind.modules is _MODULES for kind in kinds):
        return list(found.values())
    return list(model.modules())


def weights_of(model: torch.nn.Module, modules: list[torch.nn.Module]) -> Iterator[torch.Tensor]:
    """The parameters and buffers of ``model``, whose modules are ``modules``, without those that are lazy still."""
    kind = type(model)
    if any(getattr(kind, name) is not usual for name, usual in _MEMBERS.items()):
        found: Iterable[torch.Tensor | None] = (*model.parameters(), *model.buffers())
    else:
        found = [t for module in modules for own in (module._parameters, module._buffers) for t in own.values()]
    return (t for t in found if t is not None and (type(t) in PLAIN or not is_lazy(t)))


def scripted_copy(module: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    """A copy whose parameters are leaves. With autograd on, ``copy.deepcopy`` makes children of the original's.

    Copy and original share their code, and how its executor specialised it to the calls before: by their shapes, dtypes
    and devices. That is forgotten here, so that a count does not depend on it. The next calls specialise it again.
    """
    with torch.no_grad():
        new: torch.jit.ScriptModule = copy.deepcopy(module)
    parts: Iterable[Any] = new.modules()
    for part in parts:
        for name in part._c._method_names():
            part._c._get_method(name)._debug_flush_compilation_cache()
    for tensor, original in zip(new.parameters(), module.parameters(), strict=True):
        tensor.requires_grad_(original.requires_grad)
    return new
