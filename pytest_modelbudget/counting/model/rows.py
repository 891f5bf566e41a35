"""From a module tree and the sums of a count to the rows of a `Cost`, a row for each name of each module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ...values.communication import sent_by_module
from ...values.cost import Cost, ModuleCost
from ...values.frozen import NOTHING
from ...values.peak import Peak
from ...values.rows import common_parent
from ..recording.tally import Tallies, Tally
from ..recording.tensors import stored_bytes
from .description import without_addresses
from .packed import packed_in
from .sharded import held_elements, own_class
from .tree import ModuleTree, Place, class_of, own_tensors


def counted_cost(
    tree: ModuleTree,
    tallies: Tallies,
    peak: Peak,
    *,
    convention: str,
    notes: tuple[str, ...],
    sharded: bool,
    **fields: Any,
) -> Cost:
    """The `Cost` of the sums of a count and its peak, and of its other ``fields``.

    Of a ``sharded`` model, it is that of one rank, which may send nothing.
    """
    if tree.has_lazy_parameters():
        notes = (*notes, "Some lazy parameters were never initialised: their modules did not run.")
    return cost_of_rows(
        module_rows(tree, tallies, convention, peak.kept),
        communication=tallies.communication() if sharded else None,
        collectives=tallies.collectives(),
        global_params=_global_params(tree) if sharded else None,
        convention=convention,
        counter="aten",
        notes=notes,
        memory=peak.total,
        peak=peak,
        backward_flops=tallies.backward.flops(convention),
        uncounted=dict(tallies.uncounted),
        uncounted_in={name: tuple(where) for name, where in tallies.uncounted_in.items()},
        operators={name: tally.flops(convention) for name, tally in tallies.operators.items()},
        lines=tallies.lines,
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


def _global_params(tree: ModuleTree) -> int:
    """The parameters of all ranks together, shared ones once."""
    return sum({key: p.numel() for place in tree.places for key, p in own_tensors(place.module)[0].items()}.values())


def module_rows(tree: ModuleTree, tallies: Tallies, convention: str, alive: Mapping[str, int]) -> dict[str, ModuleCost]:
    """A row for each name: the module with everything below it, in which shared tensors and storages count once.

    ``tallies`` have the sums of each module without its submodules, ``alive`` the bytes of each that were alive at the
    peak.
    """
    by_module, sent = tallies.modules, sent_by_module(tallies.collectives())
    sums = {
        place.name: _sums_of(place, by_module.get(place.name), convention, alive, sent.get(place.name, 0))
        for place in tree.places
    }
    shared = _Shared()
    parameters_of: dict[int, str] = {}  # the last module found to hold a parameter, and a storage
    storages_of: dict[int, str] = {}
    for place in tree.places:
        name, (parameters, buffers) = place.name, own_tensors(place.module)
        counts = [(key, held_elements(p), p.requires_grad) for key, p in parameters.items()]
        sizes = [stored for t in (*parameters.values(), *buffers.values()) for stored in stored_bytes(t)]
        packed = packed_in(place.module)
        if packed is not None:
            counts.append((id(place.module), packed.elements, False))
            sizes.append((id(place.module), packed.size))
        total = sums[name]
        for key, count, trains in counts:
            trainable = count if trains else 0
            total[_PARAMS] += count
            total[_TRAINABLE] += trainable
            if key in parameters_of:  # the module that holds both names would count it twice
                above = sums.setdefault(common_parent(parameters_of[key], name), [0] * _SUMS)
                above[_PARAMS] -= count
                above[_TRAINABLE] -= trainable
                shared.note(key, name, parameters_of[key], params=count, trainable_params=trainable)
            parameters_of[key] = name
        for key, size in sizes:
            total[_WEIGHTS] += size
            if key in storages_of:
                sums.setdefault(common_parent(storages_of[key], name), [0] * _SUMS)[_WEIGHTS] -= size
                shared.note(key, name, storages_of[key], weights=size)
            storages_of[key] = name
    for place in reversed(tree.places):  # children come after their parents
        if place.name:
            above = sums.setdefault(place.name.rpartition(".")[0], [0] * _SUMS)
            for i, value in enumerate(sums[place.name]):
                above[i] += value
    return {
        place.name: _row(
            place, sums[place.name], by_module.get(place.name), tallies.called.get(place.name, NOTHING), shared
        )
        for place in tree.places
    }


class _Shared:
    """Tensors that several modules hold: the ``first`` of them by the tensor's key; for the others, by name, the first
    of what they share and how much it is.
    """

    def __init__(self) -> None:
        self.first: dict[int, str] = {}
        self.shares: dict[str, str] = {}
        self.sizes: dict[str, dict[str, int]] = {}

    def note(self, key: int, module: str, last: str, **sizes: int) -> None:
        """Note that a module holds what another held before, the ``last`` of them."""
        self.shares.setdefault(module, self.first.setdefault(key, last))
        known = self.sizes.setdefault(module, {})
        for metric, size in sizes.items():
            known[metric] = known.get(metric, 0) + size


_FLOPS, _MACS, _ACTIVATIONS, _ALIVE, _SENT, _PARAMS, _TRAINABLE, _WEIGHTS = range(8)
_SUMS = 8


def _sums_of(place: Place, tally: Tally | None, convention: str, alive: Mapping[str, int], sent: int) -> list[int]:
    """The sums of a module's own operators. Its tensors are added later."""
    size = alive.get(place.name, 0)
    if tally is None:
        return [0, 0, 0, size, sent, 0, 0, 0]
    return [tally.flops(convention), tally.macs, tally.activations, size, sent, 0, 0, 0]


def _row(
    place: Place,
    total: list[int],
    tally: Tally | None,
    called: Mapping[str, int],
    shared: _Shared,
) -> ModuleCost:
    own_code = bool(called) and not type(place.module).__module__.startswith("torch.nn.")
    return ModuleCost(
        name=place.name,
        kind=own_class(place.module).__name__,
        flops=total[_FLOPS],
        macs=total[_MACS],
        params=total[_PARAMS],
        trainable_params=total[_TRAINABLE],
        activations=total[_ACTIVATIONS],
        weights=total[_WEIGHTS],
        memory=total[_ALIVE],
        communication=total[_SENT],
        calls=tally.calls if tally is not None else 0,
        config=_config(place.module),
        owner=place.owner or class_of(place.module),
        attribute=place.attribute,
        recomputed=tally.recomputed if tally is not None else 0,
        inputs=tally.inputs if tally is not None else 0,
        operators={name: called[name] for name in sorted(called)} if own_code else NOTHING,
        shares=shared.shares.get(place.name, ""),
        shared=shared.sizes.get(place.name, NOTHING),
    )


def _config(module: Any) -> str:
    """The ``extra_repr`` of a module in one line, without addresses."""
    try:
        text = str(module.extra_repr())
    except Exception:  # noqa: BLE001 - a user's extra_repr may need tensors with data; the row does without it
        return ""
    return " ".join(without_addresses(text).split())
