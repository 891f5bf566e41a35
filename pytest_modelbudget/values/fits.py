"""How efficient devices are at what PyTorch does on them: factors that measurements gave, by card and way of running.

A roofline says how long work takes at the peaks of a data sheet. A `Fit` has, for each class of operators, how many
times as long arithmetic and traffic really took on one card, in steps of one mode, precision, memory format and
compiled or not. A card that nobody measured takes the fit of the nearest one, and the estimate says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..text.checks import Wrong, a_count, a_list, a_record, a_text, an_object, one_of
from ..text.json import Place
from .frozen import freeze

ONE = 1000
"""Factors are whole: in thousandths."""


@dataclass(frozen=True)
class Way:
    """A way of running a step: forward or a training step, in half precision or not, in which memory format.

    No step was measured that is ``double``, in float64.
    """

    mode: str = "infer"
    half: bool = False
    channels_last: bool = False
    compiled: bool = False
    double: bool = False

    def unlike(self, other: Way) -> str:
        """How ``other`` runs where it is unlike this: ``in float32, not compiled``; empty where it is the same."""
        precision = "in half precision" if other.half else "in float64" if other.double else "in float32"
        said = (
            ("mode", "in training" if other.mode == "train" else "in inference"),
            ("half", precision),
            ("double", precision),
            ("channels_last", "channels last" if other.channels_last else "not channels last"),
            ("compiled", "compiled" if other.compiled else "not compiled"),
        )
        return ", ".join(dict.fromkeys(text for name, text in said if getattr(self, name) != getattr(other, name)))


def _measured() -> tuple[str, ...]:
    """The fields of a `Way` that a calibration has."""
    return tuple(one.name for one in fields(Way) if one.name != "double")


@dataclass(frozen=True)
class Accuracy:
    """How far off an estimate is: the median error in percent on models that its calibration never saw.

    ``card`` and ``models`` are what was measured. Not ``own``: this device was not, or not in this way of running, and
    took the factors of that card as it ran there; ``ran`` says what was unlike: ``not compiled``. ``right`` is the
    share of batches, in percent, on the card ``ladder``, that fit or did not as it says. Zero is what nobody measured.
    """

    percent: int
    card: str
    models: int
    own: bool = True
    right: int = 0
    ladder: str = ""
    ran: str = ""

    def __str__(self) -> str:
        """``+- 9 % (RTX 4090, 1,400 models)``."""
        card = self.card if self.own else " ".join(part for part in ("as", self.card, self.ran) if part)
        where = f"{card}, {self.models:,} model{'s' if self.models != 1 else ''}"
        ladder = f"; right for {self.right} % of batches that {self.ladder} held or not" if self.right else ""
        off = f"{self.percent} %" if self.percent else "unknown"
        return f"+- {off} ({where}{ladder})"


@dataclass(frozen=True)
class Fit:
    """Factors for one card and way of running.

    ``factors`` has two for each class of operators: of arithmetic and of traffic, in thousandths of the time at the
    peaks; ``kernel`` is what starting a kernel takes on the device, ``host`` what a call costs on the host, which runs
    beside the kernels, both in nanoseconds. ``percent`` is the median error on held-out models, ``borrowed`` that on
    models of a card whose own measurements are left out; ``rows`` and ``models`` are what it was fitted to.
    """

    card: str
    way: Way
    factors: Mapping[str, tuple[int, int]]
    kernel: int
    host: int
    percent: int
    borrowed: int
    rows: int
    models: int
    source: str

    def __post_init__(self) -> None:
        """Nothing in a fit changes."""
        freeze(self, "factors")

    def of(self, name: str) -> tuple[int, int]:
        """The factors of a class of operators; those of element-wise work where a card has none of its own."""
        return self.factors.get(name, self.factors["element-wise"])


@dataclass(frozen=True)
class Memory:
    """What a step takes of a card beside live tensors, for one card and mode.

    Where there is room it takes ``context`` bytes (CUDA's context, what cuBLAS and cuDNN keep), the allocator's blocks
    times ``reserved``, and a workspace: the most bytes that a convolution of a class moves times its ``workspaces``.
    On a full card it takes ``outside`` bytes, the fewest bytes of segments that it runs in, and what cuDNN takes to try
    its algorithms: the most bytes that a convolution of these classes moves times ``searched``. The allocator gives
    back segments that are free before it runs out of memory. Factors are in thousandths. ``percent`` is the median
    error in bytes, ``right`` the share of batches, in percent, that fit and did not as predicted, on models that the
    fit never saw; zero where that was not measured.
    """

    card: str
    mode: str
    context: int
    reserved: int
    outside: int
    searched: int
    workspaces: Mapping[str, int]
    percent: int
    right: int
    rows: int
    models: int
    source: str

    def __post_init__(self) -> None:
        """Nothing in it changes."""
        freeze(self, "workspaces")


@dataclass(frozen=True)
class Calibration:
    """All fits that there are, the date on which they were made, and what they were made from."""

    made: str
    sources: tuple[str, ...]
    fits: tuple[Fit, ...]
    memory: tuple[Memory, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; `read` reads it back."""
        return {
            "format": FORMAT,
            "schema": 1,
            "made": self.made,
            "sources": list(self.sources),
            "time": [{**vars(one), "way": _plain_way(one.way), "factors": _lists(one.factors)} for one in self.fits],
            "memory": [{**vars(one), "workspaces": dict(one.workspaces)} for one in self.memory],
        }


FORMAT = "modelbudget-calibration"


def _plain_way(way: Way) -> dict[str, Any]:
    return {name: getattr(way, name) for name in _measured()}


def _lists(factors: Mapping[str, tuple[int, int]]) -> dict[str, list[int]]:
    return {name: list(pair) for name, pair in factors.items()}


def read(tree: Any, place: Place = ()) -> Calibration:
    """Read plain data strictly. Raises `Wrong`, with the place, for anything else."""
    data = a_record(tree, place, ("format", "schema", "made", "sources", "time", "memory"), ("device",))
    one_of(data["format"], (*place, "format"), (FORMAT,))
    if a_count(data["schema"], (*place, "schema")) != 1:
        raise Wrong("another schema than 1, which this version reads", (*place, "schema"))
    return Calibration(
        a_text(data["made"], (*place, "made")),
        tuple(a_text(one, (*place, "sources")) for one in a_list(data["sources"], (*place, "sources"))),
        tuple(_fit(one, (*place, "time", i)) for i, one in enumerate(a_list(data["time"], (*place, "time")))),
        tuple(_memory(one, (*place, "memory", i)) for i, one in enumerate(a_list(data["memory"], (*place, "memory")))),
    )


def _fit(tree: Any, place: Place) -> Fit:
    data = a_record(tree, place, [one.name for one in fields(Fit)])
    factors = an_object(data["factors"], (*place, "factors"))
    if "element-wise" not in factors:
        raise Wrong("the class 'element-wise' is missing, which stands for those that are", (*place, "factors"))
    pairs = {name: _pair(pair, (*place, "factors", name)) for name, pair in factors.items()}
    return Fit(**{**_plain(Fit, data, place), "way": _way(data["way"], (*place, "way")), "factors": pairs})


def _memory(tree: Any, place: Place) -> Memory:
    data = a_record(tree, place, [one.name for one in fields(Memory)])
    sizes = an_object(data["workspaces"], (*place, "workspaces"))
    return Memory(
        **{
            **_plain(Memory, data, place),
            "workspaces": {name: a_count(size, (*place, "workspaces", name)) for name, size in sizes.items()},
        }
    )


def _pair(tree: Any, place: Place) -> tuple[int, int]:
    pair = a_list(tree, place)
    if len(pair) != 2:
        raise Wrong(f"{len(pair)} numbers where two belong: of arithmetic and of traffic", place)
    first, second = (a_count(one, (*place, i)) for i, one in enumerate(pair))
    return first, second


def _way(tree: Any, place: Place) -> Way:
    data = a_record(tree, place, _measured())
    for name in ("half", "channels_last", "compiled"):
        if not isinstance(data[name], bool):
            raise Wrong("neither true nor false", (*place, name))
    return Way(**{**data, "mode": one_of(data["mode"], (*place, "mode"), ("infer", "train"))})


def _plain(kind: type, data: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """The fields that are a whole number or a text."""
    found: dict[str, Any] = {}
    for one in fields(kind):
        if one.type == "int":
            found[one.name] = a_count(data[one.name], (*place, one.name))
        elif one.type == "str":
            found[one.name] = a_text(data[one.name], (*place, one.name))
    return found
