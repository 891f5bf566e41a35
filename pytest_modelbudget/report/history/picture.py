"""The history of a baseline as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ...baseline.history import History, State, Step
from ...values.metrics import show, title_of
from ..parts.factors import times
from ..parts.picture import GREY, frame, write_picture
from .lines import MARGIN, Line, line_of
from .steps import steps_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_COLOURS = 10
"""Of more lines than this the ones that moved most are told apart, and the others are grey."""


def history_plot(history: History, metric: str, names: Sequence[str], path: Path) -> None:
    """Draw each entry as a line over the commits: one alone by its value, several relative to their first.

    A line is broken where the entry was not there, and begins anew where it was counted otherwise. Raises `UsageError`.
    """
    write_picture(path, lambda: history_figure(history, metric, names))


def history_figure(history: History, metric: str, names: Sequence[str]) -> Figure:
    """The picture of `history_plot`, in the style of the moment."""
    from matplotlib.figure import Figure

    found = steps_of(history, metric, names)
    told = {id(step.state) for step in found}
    states = [state for state in history.states if id(state) in told]
    by_name: dict[str, dict[int, Step]] = {name: {} for name in names}
    for step in found:
        if step.entry:
            by_name[step.entry][id(step.state)] = step
    drawn = [line_of(name, metric, states, by_name[name]) for name in names]
    lines = sorted((line for line in drawn if line.stretches), key=lambda line: -line.last)
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    handles, labels = _draw(axes, lines, metric)
    _axes(axes, states, metric, alone=len(lines) == 1)
    columns = 2 if max(map(len, labels), default=0) <= 70 else 1
    figure.set_size_inches(10, 4.6 + 0.2 * math.ceil(len(labels) / columns))
    figure.legend(handles, labels, loc="outside lower left", ncols=columns, frameon=False)
    return figure


def _draw(axes: Axes, lines: Sequence[Line], metric: str) -> tuple[list[Line2D], list[str]]:
    """Draw the lines, and return what the legend says of them."""
    from matplotlib.lines import Line2D

    telling = sorted(lines, key=lambda line: -line.moved)[:_COLOURS]
    handles, labels = [], []
    for line in lines:
        told = line in telling
        colour = f"C{telling.index(line)}" if told else GREY
        for stretch in line.stretches:
            axes.plot(
                stretch.places,
                stretch.values if len(lines) == 1 else stretch.ratios,
                drawstyle="steps-post",
                color=colour,
                linewidth=1.8 if told else 0.9,
                zorder=3 if told else 2,
                marker="o" if told else "",
                markevery=stretch.marks,
                markerfacecolor="white" if stretch.otherwise else colour,
            )
        if told:
            handles.append(Line2D([], [], color=colour, linewidth=1.8, marker="o"))
            labels.append(line.label(metric))
    if len(telling) < len(lines):
        handles.append(Line2D([], [], color=GREY, linewidth=0.9))
        labels.append(f"{len(lines) - len(telling)} more, which moved less")
    if any(stretch.otherwise for line in lines for stretch in line.stretches):
        handles.append(Line2D([], [], color="black", linewidth=0, marker="o", markerfacecolor="white"))
        labels.append("counted otherwise from here on")
    return handles, labels


def _axes(axes: Axes, states: Sequence[State], metric: str, *, alone: bool) -> None:
    title = title_of(metric)
    axes.set_title(f"{title} by commit" if alone else f"{title} by commit, relative to the first of each entry")
    axes.yaxis.set_major_formatter(
        lambda value, _: show(round(value), metric) if alone else times(Fraction(value).limit_denominator(10**6))
    )
    frame(axes, grid="y")
    axes.set_xlim(-MARGIN, len(states) - 1 + MARGIN)
    at = range(0, len(states), math.ceil(len(states) / 10) or 1)
    axes.set_xticks(list(at), [_tick(states[number]) for number in at])


def _tick(state: State) -> str:
    return f"{state.sha[:7]}\n{state.date}" if state.sha else "not\ncommitted"
