"""From a TARGET on the command line to a factory: ``package.module:factory``, ``file.py:factory``, a model zoo."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import TargetError, UsageError, nearest

_FORMS = "package.module:factory, path/file.py:factory, torchvision:resnet50, timm:vit_base_patch16_224"


@dataclass(frozen=True)
class FoundTarget:
    """A factory (or a module), how a marker would name it, and the resolution its zoo gives it, if any.

    ``text`` is the TARGET itself, by which another process finds it.
    """

    model: Any
    code: str
    res: int | tuple[int, int] | None = None
    text: str = ""


def find_target(text: str) -> FoundTarget:
    """Load what ``text`` names. Raises `UsageError` for its form, `TargetError` when it does not load."""
    return replace(_find(text), text=text)


def load_package(name: str) -> Any:
    """Import a package or module, also one of the current folder. Raises `TargetError` when it does not load."""
    return _package(name)


def named_targets(target: Any) -> dict[str, Any]:
    """Models by name: from one, a list, or a mapping; texts are TARGETs. Raises `UsageError` for none."""
    if isinstance(target, Mapping):
        found = {str(name): model for name, model in target.items()}
    else:
        several = list(target) if isinstance(target, (list, tuple)) else [target]
        found = {}
        for model in several:
            name = model if isinstance(model, str) else str(getattr(model, "__name__", type(model).__name__))
            number = sum(known.split(" #")[0] == name for known in found)
            found[f"{name} #{number + 1}" if number else name] = model
    if not found:
        raise UsageError("There is no model to count: the list of targets is empty.")
    return {name: find_target(model) if isinstance(model, str) else model for name, model in found.items()}


def _find(text: str) -> FoundTarget:
    place, colon, name = text.rpartition(":")
    if not colon or not place or not name:
        raise UsageError(f"{text!r} is not a TARGET. Allowed: {_FORMS}.")
    if place == "torchvision":
        return _torchvision(name)
    if place == "timm":
        return _timm(name)
    module = _file(Path(place)) if place.endswith(".py") else _package(place)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise TargetError(f"{place} has no {name!r}.{nearest(part, dir(found))}")
        found = getattr(found, part)
    if not callable(found):
        raise TargetError(f"{text} is a {type(found).__name__}. A TARGET is a factory or an nn.Module.")
    return FoundTarget(found, name)


def _file(path: Path) -> Any:
    if not path.is_file():
        raise TargetError(f"There is no file {path}.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # pickles and dataclasses look their module up
    sys.path.insert(0, str(path.parent.resolve()))
    return _load(str(path), lambda: spec.loader.exec_module(module) or module)  # type: ignore[union-attr]


def _package(name: str) -> Any:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as python -m would
    return _load(name, lambda: importlib.import_module(name))


def _load(name: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (Exception, SystemExit) as error:  # a module's own code may raise anything; it is its error
        raise TargetError(f"{name} does not import: {type(error).__name__}: {error}") from error


def _torchvision(name: str) -> FoundTarget:
    models = _load("torchvision.models", lambda: importlib.import_module("torchvision.models"))
    known = models.list_models()
    if name not in known:
        raise TargetError(f"torchvision has no model {name!r}.{nearest(name, known)}")
    res = 224 if hasattr(models, name) else None
    return FoundTarget(models.get_model_builder(name), name, res)


def _timm(name: str) -> FoundTarget:
    timm = _load("timm", lambda: importlib.import_module("timm"))
    if name.split(".")[0] not in timm.list_models():
        raise TargetError(f"timm has no model {name!r}.{nearest(name, timm.list_models())}")
    size = (timm.get_pretrained_cfg(name).to_dict() if timm.is_model_pretrained(name) else {}).get("input_size")
    res = None if not size else size[1] if size[1] == size[2] else (size[1], size[2])

    def factory() -> Any:
        return timm.create_model(name)

    return FoundTarget(factory, f'lambda: timm.create_model("{name}")', res or 224)
