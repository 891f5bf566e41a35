"""From a module tree and the sums of a count to the rows of a `Cost`, a row for each name of each module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ...values.cost import Cost, ModuleCost
from ...values.peak import Peak
from ..recording.tally import Tallies, Tally
from ..recording.tensors import stored_bytes
from .description import without_addresses
from .packed import packed_in
from .tree import ModuleTree, Place, class_of, own_tensors


def counted_cost(
    tree: ModuleTree, tallies: Tallies, peak: Peak, *, convention: str, notes: tuple[str, ...], **fields: Any
) -> Cost:
    """The `Cost` of the sums of a count and its peak, and of its other ``fields``."""
    if tree.has_lazy_parameters():
        notes = (*notes, "Some lazy parameters were never initialised: their modules did not run.")
    return cost_of_rows(
        module_rows(tree, tallies.modules, convention, peak.kept),
        convention=convention,
        counter="aten",
        notes=notes,
        memory=peak.total,
        peak=peak,
        backward_flops=tallies.backward.flops(convention),
        uncounted=dict(tallies.uncounted),
        uncounted_in={name: tuple(where) for name, where in tallies.uncounted_in.items()},
        operators={name: tally.flops(convention) for name, tally in tallies.operators.items()},
        **fields,
    )


def cost_of_rows(rows: dict[str, ModuleCost], **fields: Any) -> Cost:
    """A `Cost` with the totals of its rows, and its other ``fields``."""
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
        **fields,
    )


def module_rows(
    tree: ModuleTree, tallies: dict[str, Tally], convention: str, alive: Mapping[str, int]
) -> dict[str, ModuleCost]:
    """A row for each name: the module with everything below it, in which shared tensors and storages count once.

    ``tallies`` are the sums of each module without its submodules, ``alive`` the bytes of each that were alive at the
    peak.
    """
    sums = {place.name: _sums_of(place, tallies.get(place.name), convention, alive) for place in tree.places}
    parameters_of: dict[int, str] = {}  # the last module found to hold a parameter, and a storage
    storages_of: dict[int, str] = {}
    for place in tree.places:
        name, (parameters, buffers) = place.name, own_tensors(place.module)
        counts = [(key, p.numel(), p.requires_grad) for key, p in parameters.items()]
        sizes = [stored for t in (*parameters.values(), *buffers.values()) for stored in stored_bytes(t)]
        packed = packed_in(place.module)
        if packed is not None:
            counts.append((id(place.module), packed.elements, False))
            sizes.append((id(place.module), packed.size))
        for key, count, trains in counts:
            added = {_PARAMS: count, _TRAINABLE: count if trains else 0}
            _add(sums, name, added, {_TIED_PARAMS: count}, parameters_of.get(key))
            parameters_of[key] = name
        for key, size in sizes:
            _add(sums, name, {_WEIGHTS: size}, {_TIED_WEIGHTS: size}, storages_of.get(key))
            storages_of[key] = name
    for place in reversed(tree.places):  # children come after their parents
        if place.name:
            above = sums.setdefault(place.name.rpartition(".")[0], [0] * _SUMS)
            for i, value in enumerate(sums[place.name]):
                above[i] += value
    return {place.name: _row(place, sums[place.name], tallies.get(place.name)) for place in tree.places}


_FLOPS, _MACS, _ACTIVATIONS, _ALIVE, _PARAMS, _TRAINABLE, _WEIGHTS, _TIED_PARAMS, _TIED_WEIGHTS = range(9)
_SUMS = 9


def _add(
    sums: dict[str, list[int]], name: str, added: Mapping[int, int], tied: Mapping[int, int], last: str | None
) -> None:
    """Add a tensor to its module. If ``last`` holds it, too, the module above both would count it twice."""
    for i, size in {**added, **(tied if last is not None else {})}.items():
        sums[name][i] += size
        if last is not None:
            sums.setdefault(_common_parent(last, name), [0] * _SUMS)[i] -= size


def _sums_of(place: Place, tally: Tally | None, convention: str, alive: Mapping[str, int]) -> list[int]:
    """The sums of a module's own operators. Its tensors are added later."""
    size = alive.get(place.name, 0)
    if tally is None:
        return [0, 0, 0, size, 0, 0, 0, 0, 0]
    return [tally.flops(convention), tally.macs, tally.activations, size, 0, 0, 0, 0, 0]


def _common_parent(one: str, other: str) -> str:
    """The innermost module that holds both names: one of them, if the other is below it."""
    parts = []
    for a, b in zip(one.split("."), other.split("."), strict=False):
        if a != b:
            break
        parts.append(a)
    return ".".join(parts)


def _row(place: Place, total: list[int], tally: Tally | None) -> ModuleCost:
    return ModuleCost(
        name=place.name,
        kind=type(place.module).__name__,
        flops=total[_FLOPS],
        macs=total[_MACS],
        params=total[_PARAMS],
        trainable_params=total[_TRAINABLE],
        activations=total[_ACTIVATIONS],
        weights=total[_WEIGHTS],
        memory=total[_ALIVE],
        tied_params=total[_TIED_PARAMS],
        tied_weights=total[_TIED_WEIGHTS],
        calls=tally.calls if tally is not None else 0,
        config=_config(place.module),
        owner=place.owner or class_of(place.module),
        attribute=place.attribute,
    )


def _config(module: Any) -> str:
    """The ``extra_repr`` of a module in one line, without addresses."""
    try:
        text = str(module.extra_repr())
    except Exception:  # noqa: BLE001 - a user's extra_repr may need tensors with data; the row does without it
        return ""
    return " ".join(without_addresses(text).split())
