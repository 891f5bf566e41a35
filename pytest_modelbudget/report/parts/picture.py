"""Pictures by matplotlib: which files they can be, how they look, axes that read as tables do, and writing them."""

from __future__ import annotations

import io
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
    """Marks of a log axis at 1, 2 and 5 of each decade, or at powers of two for bytes, written as tables write them."""
    from matplotlib.ticker import LogLocator

    in_bytes = find_metric(metric).unit is BYTES
    axis.set_major_locator(LogLocator(base=2, numticks=12) if in_bytes else LogLocator(10, subs=(1, 2, 5), numticks=12))
    axis.set_major_formatter(lambda value, _: show(round(value), metric))
    axis.set_minor_formatter(lambda value, _: "")
