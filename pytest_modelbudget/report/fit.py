"""What fits, as text: the largest operating points, what they use of each limit, and which limit binds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..text import units
from ..text.line import shown
from ..values.cost import CONVENTIONS
from .tables import plain

if TYPE_CHECKING:
    from ..grids.fit import Fit, Fitting
    from ..values.point import OperatingPoint


def fit_text(fit: Fit) -> str:
    """A row for each point that fits; or, if none does, the smallest and what is over there."""
    limits = ", ".join(f"{metric} {units.show(limit, metric)}" for metric, limit in fit.limits.items())
    head = f"{shown(fit.target)} within {limits}. {CONVENTIONS[fit.convention]}"
    if not fit.found:
        assert fit.least is not None  # what does not fit was counted
        used, limit = fit.least.values[fit.least.binds], fit.limits[fit.least.binds]
        texts = units.show_apart(used, limit, fit.least.binds)
        return f"{head}\n\nnothing fits: at {fit.least.point} it takes {fit.least.binds} {texts[0]} of {texts[1]}"
    sizes = [name for name in ("batch", "res", "seq") if getattr(fit.found[0].point, name) is not None]
    headers = [*sizes, *(part for metric in fit.limits for part in (metric, "", "left")), "what binds"]
    rows = [[*(_size(one.point, name) for name in sizes), *_used(fit, one), _binds(fit, one)] for one in fit.found]
    return f"{head}\n\n{plain(rows, headers, right=range(len(sizes), len(headers) - 1))}"


def _size(point: OperatingPoint, name: str) -> str:
    return point.show_res() if name == "res" else str(getattr(point, name))


def _used(fit: Fit, one: Fitting) -> list[str]:
    texts = []
    for metric, left in fit.left(one).items():
        value = one.values[metric]
        texts += [units.show(value, metric), units.share(value, fit.limits[metric]), units.show(left, metric)]
    return texts


def _binds(fit: Fit, one: Fitting) -> str:
    if one.next is None:
        return f"the model takes no more: {shown(one.refused)}" if one.refused else "nothing, as far as was looked"
    moved = [n for n in ("batch", "res", "seq") if getattr(one.next, n) != getattr(one.point, n)]
    where = ", ".join(f"{name} {_size(one.next, name)}" for name in moved)
    if not one.binds:
        return f"nothing at {where}"
    used, _ = units.show_apart(one.beyond[one.binds], fit.limits[one.binds], one.binds)
    return f"{one.binds}: {used} at {where}"
