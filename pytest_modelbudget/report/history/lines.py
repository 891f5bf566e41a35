"""Entries as lines over commits: where each stands at which commit, and where its line is broken."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from ...baseline.history import State, Step
from ...text.line import shown
from ...values.metrics import show, show_apart

MARGIN = 0.4
"""What is beside the first and the last commit, which are 1 apart."""


@dataclass(frozen=True)
class Stretch:
    """A stretch of an entry's history in which it was there, and counted in one way; ``otherwise`` than before.

    ``places`` are those of the states, ``ratios`` are to the entry's first value, ``marks`` are the positions in these
    lists of what changed it.
    """

    otherwise: bool
    places: list[float] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)

    def hold(self, place: float) -> None:
        """Go on to a place: a cost holds until the next commit, and on where a file cannot be read."""
        self.places.append(place)
        self.values.append(self.values[-1])
        self.ratios.append(self.ratios[-1])


@dataclass(frozen=True)
class Line:
    """An entry as it is drawn."""

    name: str
    stretches: list[Stretch]

    @property
    def moved(self) -> float:
        """How far it went from where it began."""
        ratios = [ratio for stretch in self.stretches for ratio in stretch.ratios]
        return max(abs(math.log(ratio)) if ratio else math.inf for ratio in ratios)

    @property
    def last(self) -> float:
        """Where it ended, relative to where it began."""
        return self.stretches[-1].ratios[-1]

    def label(self, metric: str) -> str:
        """What it cost and costs, stretch by stretch, and its name; never ``_`` in front, which a legend would hide."""
        ends = [(stretch.values[0], stretch.values[-1]) for stretch in self.stretches]
        said = [show(last, metric) if first == last else _arrow(first, last, metric) for first, last in ends]
        return f"{'  |  '.join(said)}   {shown(self.name, 60)}"


def _arrow(first: int, last: int, metric: str) -> str:
    return " \u2192 ".join(show_apart(first, last, metric))


def line_of(name: str, metric: str, states: Sequence[State], found: Mapping[int, Step]) -> Line:
    """The line of an entry over the states; ``found`` has its steps, by the ``id`` of their state.

    It is broken where the entry was not there, and begins anew, from where it was, where it was counted otherwise.
    """
    stretches: list[Stretch] = []
    stretch = None  # the one that goes on
    unit = Fraction(0)  # what 1.00x is
    for place, state in enumerate(states):
        entry, step = state.entries.get(name), found.get(id(state))
        value = entry.totals.get(metric) if entry is not None else None
        if stretch is not None:
            stretch.hold(place)
        if value is None:
            stretch = stretch if state.damaged else None
            continue
        otherwise = step is not None and step.what == "not comparable"
        if stretch is None or otherwise:
            if step is not None and step.before and otherwise:
                unit = unit * value / step.before  # it goes on from where it was
            unit = unit or Fraction(value)
            stretch = Stretch(otherwise, [place], [0], [0.0])
            stretches.append(stretch)
        stretch.values[-1], stretch.ratios[-1] = value, float(value / unit) if unit else 1.0
        if step is not None:
            stretch.marks.append(len(stretch.places) - 1)
    if stretch is not None:
        stretch.hold(len(states) - 1 + MARGIN)
    return Line(name, stretches)
