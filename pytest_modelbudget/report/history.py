"""The history of a baseline as a table and as a picture."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ..baseline.history import History, State, Step, steps
from ..errors import UsageError
from ..text import units
from ..text.line import shown
from ..text.tables import plain_table
from ..values.metrics import show, show_apart, title_of
from .formats import write_file
from .growth import times

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

PLOTS = (".png", ".svg")
"""The suffixes of pictures."""


def history_table(history: History, metric: str, names: Sequence[str]) -> str:
    """A row for each entry that a commit changed, oldest first. Raises `UsageError` where none has the metric."""
    rows, shown_before = [], None
    for step in _steps(history, metric, names):
        state = step.state
        first = state is not shown_before
        commit = [state.date or "-", state.sha[:10] or "-"] if first else ["", ""]
        value = "-" if step.value is None else show(step.value, metric)
        subject = shown(state.subject, 60) if first else ""
        rows.append([*commit, shown(step.entry) or "-", value, _said(step), subject])
        shown_before = state
    table = plain_table(rows, ["date", "commit", "entry", title_of(metric), "since before", "subject"], right=(3,))
    return f"{table}\n\n{history.cut}" if history.cut else table


def _steps(history: History, metric: str, names: Sequence[str]) -> list[Step]:
    found = list(steps(history, names, metric))
    if names and all(step.value is None for step in found):
        raise UsageError(f"The baseline has no {metric} of {'this entry' if len(names) == 1 else 'these entries'}.")
    return found


def _said(step: Step) -> str:
    """What a step did, in words."""
    if not step.entry:
        return shown(step.said, 200)
    moved = units.change(step.value, step.before) if step.value is not None and step.before is not None else ""
    if moved == "+0 %":
        moved = "the same"
    before = {"first": "", "new": "new", "back": f"back, {moved}", "changed": moved, "gone": "gone"}
    word = before.get(step.what, f"{step.what}:")
    glue = " " if word.endswith(":") else ", "
    return glue.join(text for text in (word, shown(step.said, 200)) if text)


def check_plot(path: Path) -> None:
    """Check that a picture can be drawn, and is one of a format there is. Raises `UsageError`."""
    if path.suffix.lower() not in PLOTS:
        raise UsageError(f"--plot {path}: allowed are {' and '.join(PLOTS)}.")
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise UsageError("--plot needs matplotlib: pip install pytest-modelbudget[plot]") from error


@dataclass(frozen=True)
class _Part:
    """A stretch of an entry's history in which it was there, and counted in one way.

    ``places`` are those of the states, ``ratios`` are to the entry's first value, ``marks`` are the positions in these
    lists of what changed it.
    """

    otherwise: bool
    places: list[float] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class _Line:
    """An entry as it is drawn."""

    name: str
    parts: list[_Part]

    @property
    def moved(self) -> float:
        """How far it went from where it began."""
        ratios = [ratio for part in self.parts for ratio in part.ratios]
        return max(abs(math.log(ratio)) if ratio else math.inf for ratio in ratios)

    @property
    def last(self) -> float:
        """Where it ended, relative to where it began."""
        return self.parts[-1].ratios[-1]

    def label(self, metric: str) -> str:
        """What it cost and costs, part by part, and its name; never with ``_`` in front, which a legend would hide."""
        ends = [(part.values[0], part.values[-1]) for part in self.parts]
        said = [show(last, metric) if first == last else _arrow(first, last, metric) for first, last in ends]
        return f"{'  |  '.join(said)}   {shown(self.name, 60)}"


def _arrow(first: int, last: int, metric: str) -> str:
    return " \u2192 ".join(show_apart(first, last, metric))


_MARGIN = 0.4
"""What is beside the first and the last commit, which are 1 apart."""

_COLOURS = 10
"""Of more lines than this the ones that moved most are told apart, and the others are grey."""


def history_plot(history: History, metric: str, names: Sequence[str], path: Path) -> None:
    """Draw each entry as a line over the commits: one alone by its value, several relative to their first.

    A line is broken where the entry was not there, and begins anew where it was counted otherwise. Raises `UsageError`.
    """
    check_plot(path)
    import matplotlib.style

    own = {"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "modelbudget", "font.size": 9}
    with matplotlib.style.context(["default", own]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a character that the font does not have is drawn as a box
        data, kind = io.BytesIO(), path.suffix.lower()[1:]
        figure = history_figure(history, metric, names)
        figure.savefig(data, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    write_file(path, data.getvalue(), f"--plot {path}: the picture")


def history_figure(history: History, metric: str, names: Sequence[str]) -> Figure:
    """The picture of `history_plot`, in the style of the moment."""
    from matplotlib.figure import Figure

    found = _steps(history, metric, names)
    told = {id(step.state) for step in found}
    states = [state for state in history.states if id(state) in told]
    by_name: dict[str, dict[int, Step]] = {name: {} for name in names}
    for step in found:
        if step.entry:
            by_name[step.entry][id(step.state)] = step
    drawn = [_line(name, metric, states, by_name[name]) for name in names]
    lines = sorted((line for line in drawn if line.parts), key=lambda line: -line.last)
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    handles, labels = _draw(axes, lines, metric)
    _axes(axes, states, metric, alone=len(lines) == 1)
    columns = 2 if max(map(len, labels), default=0) <= 70 else 1
    figure.set_size_inches(10, 4.6 + 0.2 * math.ceil(len(labels) / columns))
    figure.legend(handles, labels, loc="outside lower left", ncols=columns, frameon=False)
    return figure


def _line(name: str, metric: str, states: Sequence[State], found: Mapping[int, Step]) -> _Line:
    parts: list[_Part] = []
    part = None  # the one that goes on
    unit = Fraction(0)  # what 1.00x is
    for place, state in enumerate(states):
        entry, step = state.entries.get(name), found.get(id(state))
        value = entry.totals.get(metric) if entry is not None else None
        if part is not None:
            _hold(part, place)
        if value is None:
            part = part if state.damaged else None
            continue
        otherwise = step is not None and step.what == "not comparable"
        if part is None or otherwise:
            if step is not None and step.before and otherwise:
                unit = unit * value / step.before  # it goes on from where it was
            unit = unit or Fraction(value)
            part = _Part(otherwise, [place], [0], [0.0])
            parts.append(part)
        part.values[-1], part.ratios[-1] = value, float(value / unit) if unit else 1.0
        if step is not None:
            part.marks.append(len(part.places) - 1)
    if part is not None:
        _hold(part, len(states) - 1 + _MARGIN)
    return _Line(name, parts)


def _hold(part: _Part, place: float) -> None:
    """A cost holds until the next commit, and on where a file cannot be read."""
    part.places.append(place)
    part.values.append(part.values[-1])
    part.ratios.append(part.ratios[-1])


def _draw(axes: Axes, lines: Sequence[_Line], metric: str) -> tuple[list[Line2D], list[str]]:
    """Draw the lines, and return what the legend says of them."""
    from matplotlib.lines import Line2D

    telling = sorted(lines, key=lambda line: -line.moved)[:_COLOURS]
    handles, labels = [], []
    for line in lines:
        told = line in telling
        colour = f"C{telling.index(line)}" if told else "#b8b8b8"
        for part in line.parts:
            axes.plot(
                part.places,
                part.values if len(lines) == 1 else part.ratios,
                drawstyle="steps-post",
                color=colour,
                linewidth=1.8 if told else 0.9,
                zorder=3 if told else 2,
                marker="o" if told else "",
                markevery=part.marks,
                markerfacecolor="white" if part.otherwise else colour,
            )
        if told:
            handles.append(Line2D([], [], color=colour, linewidth=1.8, marker="o"))
            labels.append(line.label(metric))
    if len(telling) < len(lines):
        handles.append(Line2D([], [], color="#b8b8b8", linewidth=0.9))
        labels.append(f"{len(lines) - len(telling)} more, which moved less")
    if any(part.otherwise for line in lines for part in line.parts):
        handles.append(Line2D([], [], color="black", linewidth=0, marker="o", markerfacecolor="white"))
        labels.append("counted otherwise from here on")
    return handles, labels


def _axes(axes: Axes, states: Sequence[State], metric: str, *, alone: bool) -> None:
    title = title_of(metric)
    axes.set_title(f"{title} by commit" if alone else f"{title} by commit, relative to the first of each entry")
    axes.yaxis.set_major_formatter(
        lambda value, _: show(round(value), metric) if alone else times(Fraction(value).limit_denominator(10**6))
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis="y", alpha=0.3)
    axes.set_xlim(-_MARGIN, len(states) - 1 + _MARGIN)
    at = range(0, len(states), math.ceil(len(states) / 10) or 1)
    axes.set_xticks(list(at), [_tick(states[number]) for number in at])


def _tick(state: State) -> str:
    return f"{state.sha[:7]}\n{state.date}" if state.sha else "not\ncommitted"
