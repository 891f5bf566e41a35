"""A pytest plugin for the run of the merge base: notes each module that was imported from the head instead.

The head's code is what lies in its checkout, and what was installed from it: an editable install, a namespace package,
a ``.pth`` file or a copy in ``site-packages`` may all stand before the merge base's own. Each process leaves its notes
in the folder ``MODELBUDGET_ORIGINS``; the gate reads them.
"""

from __future__ import annotations

import json
import os
import re
import site
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit


def pytest_sessionfinish() -> None:
    """Leave the notes of this process."""
    head, base = (Path(os.environ[f"MODELBUDGET_{name}"]).resolve() for name in ("HEAD", "BASE"))
    notes = Path(os.environ["MODELBUDGET_ORIGINS"], f"{os.getpid()}.json")
    notes.write_text(json.dumps(of_the_head(dict(sys.modules), head, base)), encoding="utf-8")


def of_the_head(modules: Mapping[str, ModuleType], head: Path, base: Path) -> dict[str, str]:
    """The files of the modules that are the head's, by name."""
    installed = {file for one in _installed_from(head, base) for file in _files_of(one)}
    found = {}
    for name, module in modules.items():
        given = getattr(module, "__file__", None)
        if not isinstance(given, str) or "editable" in name:  # the hook of an editable install itself
            continue
        file = Path(given).resolve()
        if not file.is_relative_to(base) and (file in installed or _in_checkout(file, head)):
            found[name] = str(file)
    return found


def _in_checkout(file: Path, head: Path) -> bool:
    """Whether a file is in the checkout, and not in an environment that lies there."""
    return file.is_relative_to(head) and not any(file.is_relative_to(folder) for folder in _environments(head))


def _environments(head: Path) -> Iterator[Path]:
    places = [*sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages()]
    places += [sys.prefix, sys.base_prefix]
    yield from (path for path in (Path(place).resolve() for place in places) if path != head)


def _installed_from(head: Path, base: Path) -> Iterator[Distribution]:
    """The distributions that were made from the checkout, or are named as a project in the merge base."""
    projects = set(_projects(base))
    for one in distributions():
        origin = one.read_text("direct_url.json")
        url = urlsplit(json.loads(origin)["url"]) if origin else None
        made_here = url is not None and url.scheme == "file" and Path(unquote(url.path)).resolve().is_relative_to(head)
        if made_here or _normal(one.metadata["Name"] or "") in projects:
            yield one


def _projects(base: Path) -> Iterator[str]:
    for file in ("pyproject.toml", "setup.cfg", "setup.py"):
        for path in base.rglob(file):
            text = path.read_text(encoding="utf-8", errors="replace")
            yield from map(_normal, re.findall(r"""^[ \t]*name[ \t]*=[ \t]*["']?([\w.-]+)""", text, re.MULTILINE))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _files_of(one: Distribution) -> Iterator[Path]:
    for file in one.files or ():
        if file.suffix != ".pyc":
            yield Path(str(one.locate_file(file))).resolve()
