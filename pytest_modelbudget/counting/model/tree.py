"""The modules of a model, each under all of its names, and the tensors that each holds itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch.nn.parameter import UninitializedParameter, is_lazy

from ..recording.tensors import PLAIN
from .modules import original_of
from .sharded import own_class

_PARAMETERS, _BUFFERS = torch.nn.Module.named_parameters, torch.nn.Module.named_buffers


class Place(NamedTuple):
    """A module under one of its names, with the class that holds it and the attribute that holds it."""

    name: str
    module: torch.nn.Module
    owner: str
    attribute: str


@dataclass(frozen=True)
class ModuleTree:
    """Every name of every module in the model's order: parents before children. A shared module has several.

    ``names`` has all names of each module by its ``id``.
    """

    places: tuple[Place, ...]
    names: dict[int, tuple[str, ...]]

    @classmethod
    def of(cls, model: torch.nn.Module) -> ModuleTree:
        """The tree of ``model``. A compiled submodule stands there as the module it was made from."""
        places: list[Place] = []
        _walk(model, "", "", "", set(), places)
        names: dict[int, tuple[str, ...]] = {}
        for place in places:
            names[id(place.module)] = (*names.get(id(place.module), ()), place.name)
        return cls(tuple(places), names)

    def has_lazy_parameters(self) -> bool:
        """Whether a parameter was never initialised, because its module did not run."""
        kinds = {type(p) for place in self.places for p in place.module._parameters.values()}
        return any(issubclass(kind, UninitializedParameter) for kind in kinds)


def _walk(module: torch.nn.Module, name: str, owner: str, attribute: str, above: set[int], places: list[Place]) -> None:
    module = original_of(module)
    if id(module) in above:
        return
    places.append(Place(name, module, owner, attribute))
    children = module._modules  # named_children() leaves out a module's second name
    if not children:
        return
    kind = class_of(module)
    above.add(id(module))
    for child_name, child in children.items():
        if child is not None:
            _walk(child, f"{name}.{child_name}" if name else child_name, kind, child_name, above, places)
    above.remove(id(module))


def class_of(module: torch.nn.Module) -> str:
    """The class of a module with where it is defined: ``"torch.nn.modules.linear:Linear"``."""
    kind = own_class(module)
    return f"{kind.__module__}:{kind.__qualname__}"


def own_tensors(module: torch.nn.Module) -> tuple[dict[int, torch.Tensor], dict[int, torch.Tensor]]:
    """The parameters and the buffers that a module holds itself, by their ``id``, without lazy ones."""
    kind = type(module)
    overrides = kind.named_parameters is not _PARAMETERS or kind.named_buffers is not _BUFFERS
    parameters = [t for _, t in module.named_parameters(recurse=False)] if overrides else module._parameters.values()
    buffers = [t for _, t in module.named_buffers(recurse=False)] if overrides else module._buffers.values()
    found: dict[int, torch.Tensor] = {
        id(t): t for t in parameters if t is not None and (type(t) in PLAIN or not is_lazy(t))
    }
    others = {
        id(t): t for t in buffers if t is not None and id(t) not in found and (type(t) in PLAIN or not is_lazy(t))
    }
    return found, others
