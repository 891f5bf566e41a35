"""The modules of a model by name, and the rows of cost they come to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.nn.parameter import UninitializedParameter, is_lazy

from ...values.cost import Cost, ModuleCost
from ...values.peak import Peak
from ..recording.ledger import dense_parts
from ..recording.trace import Tally, Trace
from .borrow import original_of


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
        places: list[_Place] = []
        _walk(model, "", "", "", set(), places)
        names: dict[int, tuple[str, ...]] = {}
        for place in places:
            names[id(place.module)] = (*names.get(id(place.module), ()), place.name)
        return cls(tuple(places), names)


def _walk(
    module: torch.nn.Module, name: str, owner: str, attribute: str, above: set[int], places: list[_Place]
) -> None:
    module = original_of(module)
    if id(module) in above:
        return
    places.append(_Place(name, module, owner, attribute))
    children = module._modules  # named_children() leaves out a module's second name
    if not children:
        return
    kind = _kind(module)
    above.add(id(module))
    for child_name, child in children.items():
        if child is not None:
            _walk(child, f"{name}.{child_name}" if name else child_name, kind, child_name, above, places)
    above.remove(id(module))


def _kind(module: torch.nn.Module) -> str:
    kind = type(module)
    return f"{kind.__module__}:{kind.__qualname__}"


def _own_tensors(module: torch.nn.Module) -> tuple[dict[int, torch.Tensor], dict[int, torch.Tensor]]:
    """The parameters and the buffers that a module holds itself, each once."""
    kind = type(module)
    own = kind.named_parameters is not _PARAMETERS or kind.named_buffers is not _BUFFERS
    parameters = [t for _, t in module.named_parameters(recurse=False)] if own else module._parameters.values()
    buffers = [t for _, t in module.named_buffers(recurse=False)] if own else module._buffers.values()
    found: dict[int, torch.Tensor] = {
        id(t): t for t in parameters if t is not None and (type(t) in _NEVER_LAZY or not is_lazy(t))
    }
    others = {
        id(t): t for t in buffers if t is not None and id(t) not in found and (type(t) in _NEVER_LAZY or not is_lazy(t))
    }
    return found, others


_NEVER_LAZY = frozenset({torch.Tensor, torch.nn.Parameter})
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
    kinds = {type(p) for place in tree.places for p in place.module._parameters.values()}
    if any(issubclass(kind, UninitializedParameter) for kind in kinds):
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
    sums = {place.name: _own_sums(place, tallies.get(place.name), convention, kept) for place in tree.places}
    seen: dict[int, str] = {}
    for place in tree.places:
        parameters, buffers = _own_tensors(place.module)
        total = sums[place.name]
        for tensors, add in ((parameters, _add_parameter), (buffers, _add_buffer)):
            for key, tensor in tensors.items():
                add(total, tensor, 1)
                before = seen.get(key)
                if before is not None:  # counted twice in what has both
                    add(sums.setdefault(_common(before, place.name), [0] * 7), tensor, -1)
                seen[key] = place.name
    for place in reversed(tree.places):  # children come after their parents
        if place.name:
            above = sums.setdefault(place.name.rpartition(".")[0], [0] * 7)
            for i, value in enumerate(sums[place.name]):
                above[i] += value
    return {place.name: _row(place, sums[place.name], tallies.get(place.name)) for place in tree.places}


_FLOPS, _MACS, _ACTIVATIONS, _KEPT, _PARAMS, _TRAINABLE, _WEIGHTS = range(7)


def _own_sums(place: _Place, tally: Tally | None, convention: str, kept: Mapping[str, int]) -> list[int]:
    """What its own operators come to; its tensors are yet to be added."""
    alive = kept.get(place.name, 0)
    if tally is None:
        return [0, 0, 0, alive, 0, 0, 0]
    return [tally.flops(convention), tally.macs, tally.activations, alive, 0, 0, 0]


def _add_parameter(total: list[int], tensor: torch.Tensor, times: int) -> None:
    count = tensor.numel() * times
    total[_PARAMS] += count
    if tensor.requires_grad:
        total[_TRAINABLE] += count
    total[_WEIGHTS] += _size(tensor) * times


def _add_buffer(total: list[int], tensor: torch.Tensor, times: int) -> None:
    total[_WEIGHTS] += _size(tensor) * times


def _common(one: str, other: str) -> str:
    """The innermost module that two names are both in: either of them, if the other is below it."""
    parts = []
    for a, b in zip(one.split("."), other.split("."), strict=False):
        if a != b:
            break
        parts.append(a)
    return ".".join(parts)


def _row(place: _Place, total: list[int], tally: Tally | None) -> ModuleCost:
    return ModuleCost(
        name=place.name,
        kind=type(place.module).__name__,
        flops=total[_FLOPS],
        macs=total[_MACS],
        params=total[_PARAMS],
        trainable_params=total[_TRAINABLE],
        activations=total[_ACTIVATIONS],
        weights=total[_WEIGHTS],
        memory=total[_KEPT],
        calls=tally.calls if tally is not None else 0,
        config=_config(place.module),
        owner=place.owner or _kind(place.module),
        attribute=place.attribute,
    )


def _config(module: Any) -> str:
    try:
        text = str(module.extra_repr())
    except Exception:  # noqa: BLE001 - a user's extra_repr may want tensors with data; a row can do without it
        return ""
    if _AT in text:
        text = _ADDRESS.sub("", text)
    return " ".join(text.split())


_AT = " at 0x"
_ADDRESS = re.compile(_AT + r"[0-9A-Fa-f]+")  # in the default text of a function or object: another in each process
