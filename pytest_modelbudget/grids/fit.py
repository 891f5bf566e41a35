"""The largest operating points that keep given limits, which limit binds there, and what is left of the others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import ModelError, UsageError
from ..judging.search import Look, Search
from ..targets.find import named_targets
from ..targets.found import FoundTarget
from ..values.arguments import FitArguments, explicit
from ..values.fits import Accuracy
from ..values.frozen import freeze
from ..values.limits import FITS, take_limits
from ..values.metrics import all_metrics
from ..values.point import OperatingPoint, axis_names, dimensions, find_axis
from ..values.request import Request, without_unset
from .axes import axis_values, one_value
from .fit_table import fit_table
from .fitting import Fitting
from .grid import Progress, count_once

if TYPE_CHECKING:
    from typing_extensions import Unpack


@dataclass(frozen=True)
class Fit:
    """What fits. ``found`` is empty if nothing does: then ``least`` is the smallest point and what it costs.

    With batch and resolution both free, ``found`` are the points that none of them beats in both: the front.
    """

    target: str
    limits: Mapping[str, int]
    found: tuple[Fitting, ...]
    least: Fitting | None
    convention: str
    counts: int

    def __post_init__(self) -> None:
        """Nothing in a fit changes."""
        freeze(self, "limits")

    def __bool__(self) -> bool:
        """Whether anything fits."""
        return bool(self.found)

    @property
    def batch(self) -> int | None:
        """The largest batch that fits."""
        return max((f.point.batch for f in self.found if f.point.batch is not None), default=None)

    @property
    def res(self) -> tuple[int, int] | None:
        """The largest resolution that fits."""
        return max((f.point.res for f in self.found if f.point.res is not None), default=None)

    @property
    def seq(self) -> int | None:
        """The longest sequence that fits."""
        return max((f.point.seq for f in self.found if f.point.seq is not None), default=None)

    def left(self, fitting: Fitting) -> dict[str, int]:
        """What is left of each limit."""
        return {metric: limit - fitting.values[metric] for metric, limit in self.limits.items()}

    def table(self) -> str:
        """The answer as text."""
        return fit_table(self.target, self.limits, self.found, self.least, self.convention)


@explicit(FitArguments)
def fit(
    target: Any,
    *,
    args: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    **arguments: Unpack[FitArguments],
) -> Fit:
    """The largest batch, resolution or sequence of ``target`` within limits: ``flops="10G", memory="8GiB"``, ...

    A size that is given stays; one with several values (``"128:512:32"``, a list) is searched among these; a batch
    or a resolution that is left out is searched freely, up to 65,536 and 8,192. Square pictures are searched. If both
    are open the answer is a front: for batches 1, 2, 4, ... the largest resolution, for that the largest batch.
    ``ranks`` with several values, or left open by ``parallel``, asks for the fewest that keep the limits.
    ``fits=True``, or no limit and the ``device`` of a card, asks what its memory holds, an estimate. Other keywords are
    `measure`'s. Every answer was counted, and so was the next size, which is over a limit.

    Raises `UsageError` for arguments that cannot be meant, `ModelError` if the model accepts none of the sizes.
    """
    asked = without_unset(arguments)
    limits = take_limits(asked)
    own = dimensions(asked.pop("dims", {}))
    sizes = {**{name: asked.pop(name, None) for name in axis_names(ordered=True)}, **own}
    given = {name: axis_values(name, value) for name, value in sizes.items()}
    ranks = _numbers_of_ranks(asked)
    settings = {name: one_value(name, asked.pop(name)) for name in axis_names(several=True) if name in asked}
    request = Request.of(**asked, **settings, **({"ranks": ranks[0]} if ranks else {}))
    if not limits and request.allocates and request.card is not None and arguments.get(FITS) is not False:
        limits = {"footprint": request.card.memory}
    if not limits:
        raise UsageError(_no_limit(request))
    (name, model), *more = named_targets(target, args).items()
    if more:
        raise UsageError("fit() takes one model.")
    request, searched = _with_inputs(request, model, given)
    several = [size for size in given if len(given[size]) > 1]
    left_out = [size for size in own if given[size] == (None,)]
    left_out += [size for size in searched if given[size] == (None,)]
    free = [*several, *left_out]
    if len(free) > 2:
        raise UsageError(f"Two sizes can be searched at once: give one of {', '.join(free)}.")
    if len(given["res"]) > 1 and any(height != width for height, width in given["res"]):
        raise UsageError(
            f"res={arguments.get('res')!r}: only square pictures are searched. Give one of height x width to keep it."
        )
    if len(ranks) > 1 and free != ["batch"] and free:
        raise UsageError(f"The fewest ranks are searched alone: give one of {', '.join(free)}.")
    start = request.point.at(**{size: values[0] for size, values in given.items() if size not in free})
    finder = _Finder(name, model, replace(request, point=start), limits, given, progress)
    return finder.fewest(ranks) if len(ranks) > 1 else finder.fit(free)


def _no_limit(request: Request) -> str:
    """That nothing says what is to be kept, and what could."""
    card = request.card
    timed = [metric.name for metric in all_metrics() if not metric.estimate or card is not None]
    names = [name for name in timed if name != "footprint" or request.allocates]
    there = f"There is no limit to keep. Give one or more of {', '.join(names)}, such as flops='10G'"
    if card is None:
        return f"{there}, or the card of a GPU, such as device='T4', which is then to hold the step."
    if request.allocates:
        return f"{there}, or fits=True, so that device={card.name!r} is to hold the step."
    return f"{there}. device={card.name!r} is no GPU, so that it has no memory of its own to fill."


def _numbers_of_ranks(asked: dict[str, Any]) -> tuple[int, ...]:
    """The numbers of ranks to search among, the fewest first, taken out of what is asked; none where none is said.

    A mesh that leaves a size open, with no number beside it, is tried at 1, 2, 4, ... times what it says.
    """
    ranks = axis_values("ranks", asked.pop("ranks", None))
    if ranks != (None,):
        return tuple(sorted(ranks))
    mesh = find_axis("parallel").kind.parse("parallel", asked["parallel"]) if "parallel" in asked else ()
    if not any(size == -1 for _, size in mesh):
        return ()
    known = math.prod(size for _, size in mesh if size > 0)
    return tuple(known << power for power in range(_DOUBLINGS + 1))


_DOUBLINGS = 10
"""How often the ranks of an open mesh are doubled: up to 1,024 of its smallest size."""


def _with_inputs(
    request: Request, model: FoundTarget, given: dict[str, tuple[Any, ...]]
) -> tuple[Request, tuple[str, ...]]:
    """A request with the inputs that the model's zoo gives it, if nobody says any, and the sizes that are searched.

    Of those sizes that the zoo gives as well, only the resolution is.
    """
    if request.inputs is not None or request.loader is not None:
        return request, ("batch",)
    if model.inputs is None or request.point.method is not None:
        return request, ("res", "batch") if given["seq"] == (None,) else ("batch",)
    for size in set(model.sizes) - {"res"}:
        given[size] = axis_values(size, model.sizes[size]) if given[size] == (None,) else given[size]
    named = [size for size in ("res", *axis_names(ordered=True)) if size in model.dimensions]
    return replace(request, inputs=model.inputs), tuple(dict.fromkeys(named))


class _Finder:
    """Counts points, each once, and searches one size after the other."""

    def __init__(
        self,
        name: str,
        model: FoundTarget,
        request: Request,
        limits: Mapping[str, int],
        given: Mapping[str, tuple[Any, ...]],
        progress: Progress | None,
    ) -> None:
        self._name, self._model, self._request, self._limits = name, model, request, limits
        self._given, self._progress = given, progress
        self._known: dict[OperatingPoint, Look] = {}
        self._accuracies: dict[OperatingPoint, Mapping[str, Accuracy]] = {}

    def look(self, point: OperatingPoint) -> Look:
        """Count one point. Raises `UsageError` where a limited metric is not measured."""
        if point not in self._known:
            counted = count_once(self._model, replace(self._request, point=point), watch=False)
            missing = [metric for metric in self._limits if metric not in counted.values]
            if missing and not counted.refused:
                raise UsageError(f"{missing[0]} was not measured, so that no limit on it can be kept.")
            if counted.uncounted:
                raise ModelError(
                    f"Operators without a formula make the numbers too low: {', '.join(counted.uncounted)}. "
                    "Teach them with torch.utils.flop_counter.register_flop_formula."
                )
            self._accuracies[point] = counted.accuracies
            self._known[point] = Look(
                {m: counted.values[m] for m in self._limits if m in counted.values}, counted.refused
            )
            if self._progress is not None:
                self._progress(len(self._known), 0)
        return self._known[point]

    def _at(self, point: OperatingPoint) -> Fitting:
        return Fitting(point, self.look(point).values, accuracies=self._accuracies[point])

    def fit(self, free: list[str]) -> Fit:
        """Search the sizes that are free."""
        if len(free) == 2:
            found = self._front(*self._sorted(free))
        else:
            one = self._largest(free[0], self._request.point) if free else self._alone()
            found = [one] if one is not None else []
        least = None if found else self._least(free)
        return Fit(self._name, self._limits, tuple(found), least, self._request.convention, len(self._known))

    def fewest(self, ranks: tuple[int, ...]) -> Fit:
        """Search the fewest ranks, at one operating point: each more ranks than the last, until the limits are kept."""
        found, before = None, None
        for number in ranks:
            point = replace(self._request.point, ranks=number).with_batch_if_needed()
            look = self.look(point)
            if not look.refused and not look.over(self._limits):
                found = self._at(point)
                if before is not None:
                    last = self.look(before)
                    found = replace(found, next=before, beyond=last.values, binds=(last.over(self._limits) or [""])[0])
                break
            before = point if not look.refused else before
        least = None if found is not None else self._least([])
        fitting = (found,) if found is not None else ()
        return Fit(self._name, self._limits, fitting, least, self._request.convention, len(self._known))

    @staticmethod
    def _sorted(free: list[str]) -> tuple[str, str]:
        outer, inner = sorted(free, key=lambda size: (find_axis(size).power, size != "batch"))
        return outer, inner

    def _alone(self) -> Fitting | None:
        point = self._request.point
        look = self.look(point)
        if look.refused:
            raise ModelError(f"The model refuses {point}: {look.refused}")
        return None if look.over(self._limits) else self._at(point)

    def _least(self, free: list[str]) -> Fitting:
        """The cheapest point that was accepted: all of them are over."""
        accepted = [(point, look) for point, look in self._known.items() if not look.refused]
        if not accepted:
            point, look = next(iter(self._known.items()))
            hint = " A model of token ids needs seq=." if "res" in free else ""
            raise ModelError(f"The model refuses every size tried, such as {point}: {look.refused}.{hint}")
        point, look = min(accepted, key=lambda item: (item[1].fill(self._limits), item[0].batch or 0))
        return replace(self._at(point), binds=look.over(self._limits)[0])

    def _largest(self, size: str, at: OperatingPoint) -> Fitting | None:
        """The largest value of one size with the others as they are."""
        values = self._values(size)
        if values is not None and len(values) <= 32:
            return self._among(size, values, at)
        if values is not None:
            search = Search(lambda i: self.look(_with(at, size, values[i - 1])), self._limits, cap=len(values))
            bases: Iterable[int] = (1, len(values), *range(2, len(values)))
        else:
            axis = find_axis(size)
            search = Search(lambda v: self.look(_with(at, size, v)), self._limits, cap=axis.cap, power=axis.power)
            default = self._model.sizes.get(size)
            bases = (*([default] if isinstance(default, int) else []), *axis.start)
        base = next((base for base in bases if not search.at(base).refused), None)
        found = search.largest(base) if base is not None else None
        if found is None:
            return None
        after = sorted(place for place in search.seen if place > found and not search.seen[place].refused)
        near = [place for place in search.seen if place > found]
        value = found if values is None else values[found - 1]
        following = min(after or near, default=None)
        if following is not None and values is not None:
            following = values[following - 1]
        return self._fitting(size, value, following, at)

    def _values(self, size: str) -> tuple[int, ...] | None:
        """The values to search among, in ascending order, if they were given."""
        values = self._given[size]
        if values == (None,) or len(values) == 1:
            return None
        return tuple(sorted(value[0] if isinstance(value, tuple) else value for value in values))

    def _among(self, size: str, values: tuple[int, ...], at: OperatingPoint) -> Fitting | None:
        """Every one of a few values is looked at, from the largest down, until one fits."""
        over = None
        for value in reversed(values):
            look = self.look(_with(at, size, value))
            if not look.refused and not look.over(self._limits):
                return self._fitting(size, value, over, at)
            if not look.refused or over is None:
                over = value
        return None

    def _fitting(self, size: str, value: int, following: int | None, at: OperatingPoint) -> Fitting:
        point = _with(at, size, value)
        found = self._at(point)
        if following is None:
            return found
        after = _with(at, size, following)
        look = self.look(after)
        if look.refused:
            return replace(found, refused=look.refused)
        binds = (look.over(self._limits) or [""])[0]
        return replace(found, next=after, beyond=look.values, binds=binds)

    def _front(self, outer: str, inner: str) -> list[Fitting]:
        """For doubled values of one size the largest of the other, and for that the largest of the first."""
        values = self._values(outer)
        candidates = values if values is not None else tuple(1 << power for power in range(17))
        found: list[Fitting] = []
        for value in candidates:
            best = self._largest(inner, _with(self._request.point, outer, value))
            if best is not None:
                found.append(best)
            elif any(p.value(outer) == value and not look.refused for p, look in self._known.items()):
                break  # over already at the smallest size; a batch that is refused says nothing of the next
        reached = {fitting.point.value(inner): fitting for fitting in found}
        widest = [self._largest(outer, fitting.point) for fitting in reached.values()]
        points = [fitting for fitting in widest if fitting is not None]
        return [one for one in points if not any(_beats(other.point, one.point) for other in points)]


def _with(point: OperatingPoint, size: str, value: int) -> OperatingPoint:
    return point.with_side(size, value).with_batch_one()


def _beats(one: OperatingPoint, other: OperatingPoint) -> bool:
    """Whether a point is at least as large in everything, and larger in something."""
    pairs = [(one.side(name) or 0, other.side(name) or 0) for name in axis_names(one, other, ordered=True)]
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)
