"""Peak memory as text: when it was, what it was for, which cards hold it, and what a real run measured."""

from __future__ import annotations

from ..text import units
from ..text.line import one_line
from ..text.tables import plain_table
from ..values.cost import Cost
from ..values.devices import CARDS, GIB, fits_on
from ..values.metrics import show
from ..values.peak import Peak
from .tables import costliest, prediction_error


def memory_text(cost: Cost, *, most: int = 5) -> str:
    """The peak by what it was for, the modules that keep the most, and the cards that hold it; empty without one."""
    if cost.peak is None:
        return ""
    return "\n".join([peak_line(cost.peak), *by_kind(cost.peak), *_kept(cost, most), _fits(cost)])


def peak_line(peak: Peak) -> str:
    """When the most was alive: the phase, the module that was running, and the peak of every phase."""
    where = f", in {one_line(peak.module)}" if peak.module else ""
    phases = [f"{name} {show(size, 'memory')}" for name, size in peak.phases.items() if len(peak.phases) > 1]
    rest = f" (peaks: {', '.join(phases)})" if phases else ""
    return f"peak memory {show(peak.total, 'memory')}, in {peak.phase}{where}{rest}"


def by_kind(peak: Peak) -> list[str]:
    """A line for everything that memory is for, and its share."""
    rows = [[kind, show(size, "memory"), units.share(size, peak.total)] for kind, size in peak.kinds.items() if size]
    return [f"    {line}" for line in plain_table(rows, right=(1, 2)).splitlines()]


def _kept(cost: Cost, most: int) -> list[str]:
    rows = [
        [one_line(row.name), one_line(row.kind), show(row.memory, "memory")]
        for row in costliest(cost, "memory", most=most)
    ]
    if not rows:
        return []
    first, *rest = plain_table(rows, right=(2,)).splitlines()
    return [f"kept by  {first}", *(f"         {line}" for line in rest)]


def _fits(cost: Cost) -> str:
    assert cost.memory is not None  # who has a peak has its total
    cards = fits_on(cost.memory)
    if not cards:
        return f"fits on  none of the cards listed: {show(CARDS[-1].memory, 'memory')} is the largest"
    first, *larger = cards
    more = " and larger" if larger else ""
    left = show(first.memory - cost.memory, "memory")
    return f"fits on  {first.memory // GIB} GiB ({first.name}){more}: {left} left for CUDA itself and fragmentation"


def measured_text(cost: Cost) -> str:
    """What a real run took beside what is predicted: ``measured on cpu: peak 1.2 GiB (predicted +0.1 %), ...``."""
    measured = cost.measured
    if measured is None:
        return ""
    error = ""
    if cost.memory is not None and measured.memory:
        error = f" (predicted {show(cost.memory, 'memory')}, {prediction_error(cost.memory, measured.memory)})"
    text = (
        f"measured on {one_line(measured.device)}: peak {show(measured.memory, 'memory')}{error}, "
        f"{show(measured.nanoseconds, 'latency')} a step (median of {measured.runs})"
    )
    if cost.throughput is not None:
        text += f"; {show(cost.throughput.nanoseconds, 'latency')} estimated for {cost.throughput.device}"
    return text
