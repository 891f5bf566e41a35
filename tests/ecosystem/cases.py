"""The packages with a file in ``packages``, which is named as they are imported, and the cases of those installed."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pkgutil import iter_modules

from ecosystem import packages
from ecosystem.case import Case

PACKAGES = sorted(module.name for module in iter_modules(packages.__path__))


def is_installed(package: str) -> bool:
    return find_spec(package) is not None


def cases_of(package: str) -> list[Case]:
    return import_module(f"ecosystem.packages.{package}").CASES


@cache
def distribution(package: str) -> str:
    """The name to install it by."""
    return packages_distributions()[package][0]


def name_and_version(package: str) -> str:
    return f"{distribution(package)} {version(distribution(package)).split('+')[0]}"
