"""Pictures by matplotlib: which files they can be, how they look, axes that read as tables do, and writing them."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...errors import UsageError
from ...text.units import BYTES
from ...values.metrics import find_metric, show
from .files import write_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg")
"""The suffixes of pictures."""

GREY = "#b8b8b8"
"""The colour of a line that others stand before."""

RED = "#c0392b"
"""The colour of a limit."""

_MOST_TICKS = 9
_STYLE = {"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "modelbudget", "font.size": 9}


def check_picture(path: Path) -> None:
    """Check that a picture can be drawn, and is one of a format there is. Raises `UsageError`."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--plot {path}: allowed are {' and '.join(SUFFIXES)}.")
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise UsageError("--plot needs matplotlib: pip install pytest-modelbudget[plot]") from error


def write_picture(path: Path, draw: Callable[[], Figure]) -> None:
    """Draw in our style, whatever the user's settings are, and put the picture in place: the same bytes each time.

    Raises `UsageError` where that cannot be done.
    """
    check_picture(path)
    import matplotlib.style

    with matplotlib.style.context(["default", _STYLE]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a character that the font does not have is drawn as a box
        data, kind = io.BytesIO(), path.suffix.lower()[1:]
        draw().savefig(data, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    write_file(path, data.getvalue(), f"--plot {path}: the picture")


def frame(axes: Axes, grid: Literal["both", "x", "y"] = "both") -> None:
    """Leave the left and lower side of the frame, and thin lines across."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis=grid, alpha=0.3)


def metric_ticks(axis: Any, metric: str) -> None:
    """Marks of a log axis, three at least, at round numbers, or at powers of two for bytes; written as in tables."""
    from matplotlib.ticker import FixedLocator, NullLocator

    low, high = axis.get_view_interval()
    marks = round_numbers(low, high, base=2 if find_metric(metric).unit is BYTES else 10)
    told = (len({show(round(mark), metric, digits=digits) for mark in marks}) for digits in range(3, 12))
    digits = next((3 + number for number, different in enumerate(told) if different == len(marks)), 3)
    axis.set_major_locator(FixedLocator(marks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: show(round(value), metric, digits=digits))


def round_numbers(low: float, high: float, *, base: int) -> list[float]:
    """Three to nine numbers from ``low`` to ``high``, round ones: powers of ``base`` if so many are there."""
    for step in (base**n for n in (1, 2, 4, 8)):
        first = math.ceil(math.log(low, step) - 1e-9)
        found = [float(step) ** n for n in range(first, first + 10) if float(step) ** n <= high * (1 + 1e-9)]
        if 3 <= len(found) <= _MOST_TICKS:
            return found
    for inside in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)) if base == 10 else ((1, 1.5), (1, 1.25, 1.5, 1.75)):
        power = math.floor(math.log(low, base))
        tried = [float(base) ** n * part for n in range(power, power + 10) for part in inside]
        found = [number for number in tried if low * (1 - 1e-9) <= number <= high * (1 + 1e-9)]
        if 3 <= len(found) <= _MOST_TICKS:
            return found
    span = high - low
    apart = float(base) ** math.floor(math.log(span or 1, base))
    while span / apart < 4:
        apart /= 2
    first = math.ceil(low / apart)
    found = [apart * n for n in range(first, first + 10) if apart * n <= high]
    return found if len(found) >= 3 else [low, math.sqrt(low * high), high]
