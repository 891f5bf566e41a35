"""The modules of a model by name, and the rows of cost they come to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.nn.parameter import is_lazy

from ..cost import Cost, ModuleCost
from ..peak import Peak
from .memory import dense_parts
from .standin import original_of
from .trace import Tally, Trace


class _Place(NamedTuple):
    """A module under one of its names, with the class that holds it and the attribute it holds it in."""

    name: str
    module: torch.nn.Module
    owner: str
    attribute: str


@dataclass(frozen=True)
class ModuleTree:
    """Every name of every module, shared modules under each of theirs, in the model's order."""

    places: tuple[_Place, ...]
    names: dict[int, tuple[str, ...]]

    @classmethod
    def of(cls, model: torch.nn.Module) -> ModuleTree:
        """Walk ``model``. A compiled submodule is seen as the module it was made from."""
        places = tuple(_walk(model, "", "", "", set()))
        names: dict[int, tuple[str, ...]] = {}
        for place in places:
            names[id(place.module)] = (*names.get(id(place.module), ()), place.name)
        return cls(places, names)


def _walk(module: torch.nn.Module, name: str, owner: str, attribute: str, above: set[int]) -> Iterator[_Place]:
    module = original_of(module)
    if id(module) in above:
        return
    yield _Place(name, module, owner, attribute)
    kind = type(module)
    for child_name, child in module._modules.items():  # named_children() leaves out a module's second name
        if child is not None:
            yield from _walk(
                child,
                f"{name}.{child_name}" if name else child_name,
                f"{kind.__module__}:{kind.__qualname__}",
                child_name,
                above | {id(module)},
            )


class _Tensor(NamedTuple):
    elements: int
    trainable: int
    size: int
    parameter: bool


def _own_tensors(module: torch.nn.Module) -> dict[int, _Tensor]:
    found: dict[int, _Tensor] = {}
    kind = type(module)
    own = kind.named_parameters is not _PARAMETERS or kind.named_buffers is not _BUFFERS
    parameters = [t for _, t in module.named_parameters(recurse=False)] if own else module._parameters.values()
    buffers = [t for _, t in module.named_buffers(recurse=False)] if own else module._buffers.values()
    for tensor in parameters:
        if tensor is not None and not is_lazy(tensor):
            count = tensor.numel()
            found[id(tensor)] = _Tensor(count, count if tensor.requires_grad else 0, _size(tensor), True)
    for buffer in buffers:
        if buffer is not None and not is_lazy(buffer):
            found.setdefault(id(buffer), _Tensor(buffer.numel(), 0, _size(buffer), False))
    return found


_PARAMETERS, _BUFFERS = torch.nn.Module.named_parameters, torch.nn.Module.named_buffers


def _size(tensor: torch.Tensor) -> int:
    """Bytes of a tensor: of a sparse one, of the values that it stores and of the indices that say where they are."""
    if tensor.layout is torch.strided:
        return tensor.nbytes
    return sum(part.nbytes for part in dense_parts(tensor)) or tensor.numel() * tensor.element_size()


def traced_cost(
    tree: ModuleTree, trace: Trace, peak: Peak, *, convention: str, notes: tuple[str, ...], **about: Any
) -> Cost:
    """The `Cost` of a trace and its peak; ``about`` are the fields of it that they do not know."""
    if any(p is not None and is_lazy(p) for place in tree.places for p in place.module._parameters.values()):
        notes = (*notes, "Some lazy parameters were never initialised: their modules did not run.")
    return whole_cost(
        module_rows(tree, trace.tallies, convention, peak.kept),
        convention=convention,
        counter="aten",
        notes=notes,
        memory=peak.total,
        peak=peak,
        backward_flops=trace.backward.flops(convention),
        uncounted=dict(trace.uncounted),
        uncounted_in={name: tuple(where) for name, where in trace.uncounted_in.items()},
        operators={name: tally.flops(convention) for name, tally in trace.operators.items()},
        **about,
    )


def whole_cost(rows: dict[str, ModuleCost], **about: Any) -> Cost:
    """A `Cost` with the totals of its rows; ``about`` are its other fields."""
    whole = rows[""]
    return Cost(
        flops=whole.flops,
        macs=whole.macs,
        params=whole.params,
        trainable_params=whole.trainable_params,
        activations=whole.activations,
        weights=whole.weights,
        torch_version=str(torch.__version__).split("+")[0],
        model=whole.kind,
        modules=rows,
        **about,
    )


def module_rows(
    tree: ModuleTree, tallies: dict[str, Tally], convention: str, kept: Mapping[str, int]
) -> dict[str, ModuleCost]:
    """A row for each name: the module with everything below it, shared tensors once.

    ``kept`` are bytes by module, of what is alive at the peak.
    """
    sums: dict[str, list[int]] = {}
    tensors: dict[str, dict[int, _Tensor]] = {}
    for place in reversed(tree.places):  # children come after their parents
        name = place.name
        tally = tallies.get(name)
        total = sums.setdefault(name, [0, 0, 0, 0])
        total[3] += kept.get(name, 0)
        own = tensors.setdefault(name, {})
        own.update(_own_tensors(place.module))
        if tally is not None:
            total[0] += tally.flops(convention)
            total[1] += tally.macs
            total[2] += tally.activations
        if name:
            parent = name.rpartition(".")[0]
            above = sums.setdefault(parent, [0, 0, 0, 0])
            for i in range(4):
                above[i] += total[i]
            tensors.setdefault(parent, {}).update(own)
    return {place.name: _row(place, sums[place.name], tensors[place.name], tallies) for place in tree.places}


def _row(place: _Place, total: list[int], tensors: dict[int, _Tensor], tallies: dict[str, Tally]) -> ModuleCost:
    tally = tallies.get(place.name)
    params = trainable = size = 0
    for tensor in tensors.values():
        size += tensor.size
        trainable += tensor.trainable
        if tensor.parameter:
            params += tensor.elements
    return ModuleCost(
        name=place.name,
        kind=type(place.module).__name__,
        flops=total[0],
        macs=total[1],
        params=params,
        trainable_params=trainable,
        activations=total[2],
        weights=size,
        memory=total[3],
        calls=tally.calls if tally is not None else 0,
        config=_config(place.module),
        owner=place.owner or f"{type(place.module).__module__}:{type(place.module).__qualname__}",
        attribute=place.attribute,
    )


def _config(module: Any) -> str:
    try:
        text = str(module.extra_repr())
    except Exception:  # noqa: BLE001 - a user's extra_repr may want tensors with data; a row can do without it
        return ""
    return " ".join(_ADDRESS.sub("", text).split())


_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")  # in the default text of a function or object: another in each process
