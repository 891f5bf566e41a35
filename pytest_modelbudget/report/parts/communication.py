"""What a rank of a sharded model sends in a step: by collective, and the modules that send the most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...text import units
from ...text.line import shown
from ...text.tables import plain_table
from ...values.communication import by_kind, sent_by_module
from ...values.cost import Cost
from ...values.metrics import show
from ...values.result import Result


def communication_text(cost: Cost, *, most: int = 5) -> str:
    """The bytes that this rank sends, by collective, and by the modules that send most of them; empty for one rank."""
    return "\n".join([*sent_lines(cost), *_modules(cost, most)]) if cost.communication else ""


class SentTable(NamedTuple):
    """A table of collectives: its title, those of its columns, of which all but the first are numbers, and its rows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def sent_table(cost: Cost) -> SentTable | None:
    """What is sent by collective: among how many ranks, how often, and how large the tensors are."""
    if not cost.communication:
        return None
    rows = [
        [
            f"{one.kind} among {one.ranks}",
            f"{one.calls} call{'s' if one.calls > 1 else ''}",
            show(one.payload, "communication"),
            show(one.sent, "communication"),
            units.share(one.sent, cost.communication),
        ]
        for one in by_kind(cost.collectives)
    ]
    title = f"sends {show(cost.communication, 'communication')} a step, by ring algorithms"
    return SentTable(title, ["", "", "payload", "sent", ""], rows)


def sent_lines(cost: Cost) -> list[str]:
    """`sent_table` as text."""
    table = sent_table(cost)
    if table is None:
        return []
    lines = plain_table(table.rows, table.columns, right=(1, 2, 3, 4)).splitlines()
    return [table.title, *(f"    {line}" for line in lines)]


def broken_communication(result: Result) -> list[str]:
    """`sent_lines` of an entry that fails by its communication, alone or among others."""
    return sent_lines(result.cost) if "communication" in result.verdict.failing else []


def _modules(cost: Cost, most: int) -> list[str]:
    sent = sorted(sent_by_module(cost.collectives).items(), key=lambda item: (-item[1], item[0]))
    rows = [
        [shown(name) or "the model", show(size, "communication"), units.share(size, cost.communication or 1)]
        for name, size in sent[:most]
        if size
    ]
    return ["sent by", *(f"    {line}" for line in plain_table(rows, right=(1, 2)).splitlines())]
