"""Peak memory as text: when it was, what it was for, which modules keep the most, and which cards hold it."""

from __future__ import annotations

from ...text import units
from ...text.line import one_line, shown
from ...text.tables import plain_table
from ...values.cost import Cost
from ...values.device import GIB
from ...values.device_table import NAMED
from ...values.devices import CARDS, fits_on
from ...values.footprint import Footprint
from ...values.metrics import show, show_apart
from ...values.peak import Peak
from ...values.result import Result
from .labels import labelled
from .prediction import off_by
from .where import costliest, kind_of


def memory_text(cost: Cost, *, most: int = 5) -> str:
    """The peak by what it was for, the modules that keep the most, and the cards that hold it; empty without one."""
    if cost.peak is None:
        return ""
    fits = (
        _fits(cost.peak.total, _each(cost)) if cost.device_memory is None else _fits_on(cost.device_memory, _each(cost))
    )
    return "\n".join([*peak_lines(cost.peak), *_kept(cost, most), fits])


def peak_lines(peak: Peak) -> list[str]:
    """When the most was alive (phase, module, the peak of each phase); then what it was for, with the share of each."""
    where = f", in {one_line(peak.module)}" if peak.module else ""
    phases = [f"{name} {show(size, 'memory')}" for name, size in peak.phases.items() if len(peak.phases) > 1]
    rest = f" (peaks: {', '.join(phases)})" if phases else ""
    rows = [[kind, show(size, "memory"), units.share(size, peak.total)] for kind, size in peak.kinds.items() if size]
    return [
        f"peak memory {show(peak.total, 'memory')}, in {peak.phase}{where}{rest}",
        *(f"    {line}" for line in plain_table(rows, right=(1, 2)).splitlines()),
    ]


def broken_memory(result: Result) -> list[str]:
    """`peak_lines` of an entry that fails by its memory, alone or among others."""
    peak = result.cost.peak
    return peak_lines(peak) if peak is not None and "memory" in result.verdict.failing else []


def peaks_lines(before: Peak, now: Peak) -> list[str]:
    """What two peaks were for, kind by kind, and in which phase each was: ``in backward, was in forward``."""
    kinds = [kind for kind in now.kinds if now.kinds[kind] or before.kinds.get(kind, 0)]
    rows = []
    for kind in kinds:
        was, is_ = before.kinds.get(kind, 0), now.kinds[kind]
        by = f"{'+' if is_ > was else '-'}{show(abs(is_ - was), 'memory')}" if is_ != was else "same"
        rows.append([kind, *show_apart(was, is_, "memory"), by])
    phase = f"in {now.phase}, was in {before.phase}" if now.phase != before.phase else f"in {now.phase}"
    return plain_table(rows, [phase, "was", "is", "difference"], right=(1, 2, 3)).splitlines()


def _kept(cost: Cost, most: int) -> list[str]:
    rows = [
        [shown(place.name), kind_of(place), show(place.value, "memory")]
        for place in costliest(cost, "memory", most=most)
    ]
    return labelled("kept by  ", plain_table(rows, right=(2,)).splitlines()) if rows else []


def _each(cost: Cost) -> str:
    """``8 x `` where the model is spread over so many cards, each of which holds one rank."""
    return "" if cost.point.world is None else f"{cost.point.world} x "


def _fits_on(footprint: Footprint, each: str) -> str:
    """The named cards that hold a step by their estimated footprints: the smallest, and how much of it is left."""
    cards = sorted((device for device in NAMED if device.is_card), key=lambda device: device.memory)
    there = [(card, footprint.on(card.name)) for card in cards]
    fitting = [(card, found) for card, found in there if found.fits]
    if not fitting:
        return f"fits on  none of the cards listed: {show(cards[-1].memory, 'footprint')} is the largest"
    card, found = fitting[0]
    others = [one.name for one, _ in fitting[1:] if one.memory == card.memory]
    names = ", ".join([card.name, *others])
    more = " and larger" if fitting[-1][0].memory > card.memory else ""
    return (
        f"fits on  {each}{names} ({card.memory // GIB} GiB){more}: an estimated "
        f"{show(found.total, 'footprint')}{off_by(found.accuracy)}"
    )


def _fits(size: int, each: str) -> str:
    cards = fits_on(size)
    if not cards:
        return f"fits on  none of the cards listed: {show(CARDS[-1].memory, 'memory')} is the largest"
    first, *larger = cards
    more = " and larger" if larger else ""
    left = show(first.memory - size, "memory")
    return (
        f"fits on  {each}{first.memory // GIB} GiB ({first.name}){more}: {left} left for CUDA itself and fragmentation"
    )
