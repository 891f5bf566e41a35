"""What a rank sends in a step, by collective and by module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class Sent(NamedTuple):
    """One call of a collective among ``ranks``: the bytes of its ``payload``, and those that this rank ``sends``.

    The payload is the whole tensor: what an all-gather returns, what a reduce-scatter is given.
    """

    kind: str
    ranks: int
    payload: int
    sends: int


@dataclass(frozen=True)
class Collective:
    """The calls of one kind of collective, among ``ranks``, that one ``module`` makes; payload and sent are bytes."""

    kind: str
    ranks: int
    module: str
    calls: int
    payload: int
    sent: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return dict(vars(self))


def by_kind(collectives: tuple[Collective, ...]) -> tuple[Collective, ...]:
    """The sums over modules, the most bytes sent first: ``module`` is empty."""
    sums: dict[tuple[str, int], list[int]] = {}
    for one in collectives:
        total = sums.setdefault((one.kind, one.ranks), [0, 0, 0])
        for place, value in enumerate((one.calls, one.payload, one.sent)):
            total[place] += value
    found = [Collective(kind, ranks, "", *total) for (kind, ranks), total in sums.items()]
    return tuple(sorted(found, key=lambda one: (-one.sent, one.kind, one.ranks)))


def sent_by_module(collectives: tuple[Collective, ...]) -> Mapping[str, int]:
    """The bytes that each module sends itself."""
    found: dict[str, int] = {}
    for one in collectives:
        found[one.module] = found.get(one.module, 0) + one.sent
    return found
