"""From a TARGET to what builds the model: ``package.module:factory``, ``file.py:factory``, or a prefix and a name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import BudgetError, TargetError, UsageError, nearest
from ..text.line import quoted
from .arguments import bound, check_names, checked, literal
from .found import FoundTarget
from .loading import load_file, load_package
from .prefixes import Finder, find_prefix, prefixes

FORMS = (
    "package.module:factory, path/file.py:factory, torchvision:resnet50, timm:vit_base_patch16_224, "
    "hf:path/of/config, diffusers:UNet2DModel, ultralytics:yolo11n.yaml"
)
"""What a TARGET may be, in messages and in a command's help."""


def find_target(text: str, args: Mapping[str, Any] | None = None, folder: Path = Path()) -> FoundTarget:
    """Load what ``text`` names, with ``args`` for what builds it. Paths are relative to ``folder``.

    Raises `UsageError` for its form and for ``args``, `TargetError` when it does not load.
    """
    given = check_names(args or {})
    prefix, _, name = text.partition(":")
    finder = find_prefix(prefix) if name else None
    found = _of_code(text, given, folder) if finder is None else _of_prefix(finder, text, name, given, folder)
    return replace(found, args=_values(found, given), again=partial(find_target, text, given, folder))


def target_of(model: Any, args: Mapping[str, Any] | None = None, folder: Path = Path()) -> FoundTarget:
    """A model, a factory or a TARGET, with ``args`` for what builds it. Raises as `find_target` does."""
    if isinstance(model, str):
        return find_target(model, args, folder)
    given = check_names(args or {})
    found = model if isinstance(model, FoundTarget) else FoundTarget(model)
    if not given:
        return found
    kind = type(found.model)
    name = getattr(found.model, "__qualname__", kind.__qualname__)
    if not callable(found.model) or hasattr(kind, "named_modules"):
        raise UsageError(
            f"args= are for what builds the model, and here is a {kind.__qualname__} that is built already. "
            f"Give its class or a factory: model={kind.__qualname__}, args={given!r}."
        )
    found = replace(found, model=bound(found.model, given, f"{name}()"))
    return replace(found, args=_values(found, given))


def named_targets(target: Any, args: Mapping[str, Any] | None = None) -> dict[str, FoundTarget]:
    """Models by name: from one, a list, or a mapping; texts are TARGETs. Raises `UsageError` for none."""
    if isinstance(target, Mapping):
        named = {str(name): model for name, model in target.items()}
    else:
        several = list(target) if isinstance(target, (list, tuple)) else [target]
        named = {}
        for model in several:
            name = model if isinstance(model, str) else str(getattr(model, "__name__", type(model).__name__))
            number = sum(known.split(" #")[0] == name for known in named)
            named[f"{name} #{number + 1}" if number else name] = model
    if not named:
        raise UsageError("There is no model to count: the list of targets is empty.")
    return {name: target_of(model, args) for name, model in named.items()}


def _of_prefix(finder: Finder, text: str, name: str, args: Mapping[str, Any], folder: Path) -> FoundTarget:
    parameters = inspect.signature(finder).parameters
    if "folder" in args and "folder" in parameters:
        raise UsageError(f"args: {text} takes no argument 'folder'.")
    place = {"folder": folder} if "folder" in parameters else {}
    given = checked(finder, args, text, apart=1)
    try:
        found = finder(name, **place, **given)
    except BudgetError:
        raise
    except Exception as error:  # of the package behind the prefix
        raise TargetError(f"{text} was not found: {type(error).__name__}: {error}") from error
    found = found if isinstance(found, FoundTarget) else FoundTarget(found)
    if not callable(found.model):
        raise TargetError(f"{text} is a {type(found.model).__name__}. A TARGET is a factory or an nn.Module.")
    return found if found.code else replace(found, code=quoted(text))


def _of_code(text: str, args: Mapping[str, Any], folder: Path) -> FoundTarget:
    place, colon, name = text.rpartition(":")
    if not colon or not place or not name:
        raise UsageError(f"{text!r} is not a TARGET. Allowed: {FORMS}.")
    try:
        found: Any = load_file(folder / place) if place.endswith(".py") else load_package(place)
    except TargetError as error:
        if isinstance(error.__cause__, ModuleNotFoundError) and error.__cause__.name == place and "." not in place:
            raise TargetError(
                f"{error}.{nearest(place, prefixes())} It is no prefix, either. Prefixes are: {', '.join(prefixes())}."
            ) from error.__cause__
        raise
    for part in name.split("."):
        if not hasattr(found, part):
            raise TargetError(f"{place} has no {name!r}.{nearest(part, dir(found))}")
        found = getattr(found, part)
    if not callable(found):
        raise TargetError(f"{text} is a {type(found).__name__}. A TARGET is a factory or an nn.Module.")
    return replace(target_of(found, args), code=name)


def _values(found: FoundTarget, args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a command as the values that its factory gets."""
    read = found.model.keywords if isinstance(found.model, partial) else {}
    return {name: read.get(name, literal(value)) for name, value in args.items()}
