"""The history of a baseline as a table and as a picture."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import units
from ..errors import UsageError
from ..history import History, State, Step, steps
from .formats import write_file
from .growth import times
from .metrics import TITLES
from .names import shown
from .tables import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLOTS = (".png", ".svg")
"""The suffixes of pictures."""


def history_table(history: History, metric: str, names: Sequence[str]) -> str:
    """A row for each entry that a commit changed, oldest first. Raises `UsageError` where none has the metric."""
    rows, shown_before = [], None
    for step in _steps(history, metric, names):
        state = step.state
        first = state is not shown_before
        commit = [state.date or "-", state.sha[:10] or "-"] if first else ["", ""]
        value = "-" if step.value is None else units.show(step.value, metric)
        subject = shown(state.subject, 60) if first else ""
        rows.append([*commit, shown(step.entry) or "-", value, _said(step), subject])
        shown_before = state
    table = plain(rows, ["date", "commit", "entry", TITLES[metric], "since before", "subject"], right=(3,))
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
class _Line:
    """An entry as it is drawn: a value for each state, and the first and last of them. ``nan`` is a gap."""

    name: str
    ratios: list[float]
    values: list[int]

    @property
    def moved(self) -> float:
        """How far it went from where it began."""
        known = [ratio for ratio in self.ratios if not math.isnan(ratio)]
        return max(abs(math.log(ratio)) if ratio else math.inf for ratio in known)


_COLOURED = 8
"""More lines than these are drawn in grey, but for those that moved most: nobody tells twenty colours apart."""


def history_plot(history: History, metric: str, names: Sequence[str], path: Path) -> None:
    """Draw each entry as a line over the commits: one alone by its value, several relative to their first.

    A line is broken where the entry was not there, and where it was counted otherwise. Raises `UsageError`.
    """
    check_plot(path)
    import matplotlib.style
    from matplotlib.figure import Figure

    found = _steps(history, metric, names)
    told = {id(step.state) for step in found if step.value is not None or step.what == "gone"}
    states = [state for state in history.states if id(state) in told]
    lines = [line for name in names if (line := _line(name, states, [step for step in found if step.entry == name]))]
    own = {"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "modelbudget", "font.size": 9}
    with matplotlib.style.context(["default", own]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a character that the font does not have is drawn as a box
        figure = Figure(figsize=(10, 5.2), layout="constrained")
        _draw(figure, lines, states, metric)
        data = io.BytesIO()
        kind = path.suffix.lower()[1:]
        figure.savefig(data, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    write_file(path, data.getvalue(), f"--plot {path}: the picture")


def _line(name: str, states: Sequence[State], found: Sequence[Step]) -> _Line | None:
    """An entry's ratios to its first value. Where it was counted otherwise they go on from where they were."""
    by_state = {id(step.state): step for step in found}
    ratios, values, scale, now = [], [], Fraction(0), math.nan
    for state in states:
        step = by_state.get(id(state))
        if step is not None and step.value is None:
            now = math.nan
        elif step is not None and step.value is not None:
            if step.what == "not comparable" and step.before:
                scale = scale * step.value / step.before
            scale = scale or Fraction(step.value)
            now = float(step.value / scale) if scale else 1.0
            values.append(step.value)
        ratios.append(now)
    return _Line(name, ratios, values) if values else None


def _draw(figure: Figure, lines: Sequence[_Line], states: Sequence[State], metric: str) -> None:
    axes = figure.subplots()
    alone = len(lines) == 1
    coloured = sorted(lines, key=lambda line: -line.moved)[:_COLOURED] if len(lines) > _COLOURED + 2 else list(lines)
    handles, labels = [], []
    for line in sorted(lines, key=lambda line: -_last(line.ratios)):
        style: dict[str, Any] = {"color": "#b0b0b0", "linewidth": 1, "zorder": 1}
        if line in coloured:
            style = {"color": f"C{coloured.index(line)}", "linewidth": 2, "marker": "o", "markersize": 5}
            style["linestyle"] = "-" if coloured.index(line) < 5 else "--"
        heights = [ratio * line.values[0] for ratio in line.ratios] if alone else line.ratios
        (drawn,) = axes.plot(range(len(states)), heights, **style)
        if line in coloured:
            handles.append(drawn)
            labels.append(_label(line, metric))
        else:
            grey = drawn
    if len(coloured) < len(lines):
        handles.append(grey)
        labels.append(f"{len(lines) - len(coloured)} more, which moved less")
    _axes(axes, states, metric, alone=alone)
    figure.legend(handles, labels, loc="outside lower left", ncols=1 if len(labels) < 3 else 2, frameon=False)


def _last(ratios: Sequence[float]) -> float:
    return next((ratio for ratio in reversed(ratios) if not math.isnan(ratio)), 0.0)


def _label(line: _Line, metric: str) -> str:
    """The entry with its first and last value; never one that begins with ``_``, which a legend leaves out."""
    first, last = line.values[0], line.values[-1]
    values = units.show(last, metric) if first == last else " \u2192 ".join(units.show_apart(first, last, metric))
    return f"{values}   {shown(line.name, 60)}"


def _axes(axes: Axes, states: Sequence[State], metric: str, *, alone: bool) -> None:
    title = TITLES[metric]
    axes.set_title(f"{title} by commit" if alone else f"{title} by commit, relative to the first of each entry")
    axes.set_ylabel(title if alone else "")
    axes.yaxis.set_major_formatter(
        lambda value, _: units.show(round(value), metric) if alone else times(Fraction(value).limit_denominator(10**6))
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis="y", alpha=0.3)
    axes.set_xlim(-0.4, len(states) - 0.6)
    every = math.ceil(len(states) / 12)
    shown_at = range(0, len(states), every)
    axes.set_xticks(list(shown_at), [_tick(states[number]) for number in shown_at])


def _tick(state: State) -> str:
    return f"{state.sha[:7]}\n{state.date}" if state.sha else "not\ncommitted"
