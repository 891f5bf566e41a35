"""The one table of prefixes of TARGETs: those of this package, and those that others add by an entry point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ..errors import TargetError
from .loading import loaded
from .zoos import diffusers, hf, timm, torchvision, ultralytics

GROUP = "pytest_modelbudget.targets"
"""The group of entry points. The name of one is a prefix; it is a function as `Finder` says."""

Finder = Callable[..., Any]
"""Gets the TARGET behind its prefix, then ``args`` by name; gives a factory, a model, or a `FoundTarget`.

One with a parameter ``folder`` gets the folder that paths are relative to. ``args`` are checked by its signature.
"""

PREFIXES: Mapping[str, Finder] = {
    "torchvision": torchvision.find,
    "timm": timm.find,
    "hf": hf.find,
    "diffusers": diffusers.find,
    "ultralytics": ultralytics.find,
}


def find_prefix(name: str) -> Finder | None:
    """What finds the TARGETs of a prefix, if there is one. Raises `TargetError` for one that two packages claim."""
    added = [one for one in _added() if one.name == name]
    claims = [*(["pytest-modelbudget"] if name in PREFIXES else []), *map(_package, added)]
    if len(claims) > 1:
        raise TargetError(f"The prefix {name!r} is claimed by {' and by '.join(claims)}. Uninstall one of them.")
    if not added:
        return PREFIXES.get(name)
    finder: Finder = loaded(f"{_package(added[0])}, which has the TARGETs {name!r}:", added[0].load)
    return finder


def prefixes() -> list[str]:
    """All prefixes."""
    return [*PREFIXES, *sorted({one.name for one in _added()} - set(PREFIXES))]


@cache
def _added() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value
