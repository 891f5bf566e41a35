"""Importing what a user names: a module, a file, a package that may not be installed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import TargetError


def load_package(name: str) -> Any:
    """Import a package or module, also one of the current folder. Raises `TargetError` when it does not load."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as python -m would
    return loaded(name, lambda: importlib.import_module(name))


def load_file(path: Path) -> Any:
    """Run a Python file as a module. Raises `TargetError` when it is not there, or does not load."""
    if not path.is_file():
        raise TargetError(f"There is no file {path}.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # pickles and dataclasses look their module up
    sys.path.insert(0, str(path.parent.resolve()))
    return loaded(str(path), lambda: spec.loader.exec_module(module) or module)  # type: ignore[union-attr]


def installed(name: str, what: str) -> Any:
    """Import a package that ``what`` needs. Raises `TargetError`, which says how to install one that is not there."""
    try:
        return loaded(name, lambda: importlib.import_module(name))
    except TargetError as error:
        missing = error.__cause__
        if isinstance(missing, ModuleNotFoundError) and missing.name == name.split(".")[0]:
            raise TargetError(
                f"{what} needs the package {missing.name}, which is not installed. Install it: "
                f"pip install {missing.name}"
            ) from missing
        raise


def attribute(module: Any, name: str) -> Any:
    """A name of a package that imports its parts when they are used; ``None`` where there is none."""
    return loaded(f"{module.__name__}.{name}", lambda: getattr(module, name, None))


def loaded(name: str, load: Callable[[], Any]) -> Any:
    """What ``load`` gives. Raises `TargetError` for whatever it raises."""
    try:
        return load()
    except (Exception, SystemExit) as error:  # a module's own code may raise anything; it is its error
        raise TargetError(f"{name} does not import: {type(error).__name__}: {error}") from error
