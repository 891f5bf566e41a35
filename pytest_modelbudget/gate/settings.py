"""The settings of a run without pytest: the command's options, then the ini keys that pytest would read."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..sources.toml import read_toml
from ..values.entry import BASELINE

_INI = (("pytest.ini", "pytest"), (".pytest.ini", "pytest"), ("tox.ini", "pytest"), ("setup.cfg", "tool:pytest"))


def settings_of(root: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting by the name that `config.read_config` takes. An option's path is relative to where we are.

    Raises `UsageError` for a file of settings that cannot be read.
    """
    ini = _ini_keys(root)
    values: dict[str, Any] = dict(ini)
    values |= {
        "budget_update": options["update"],
        "budget_write": options["write"],
        "budget_headroom": options["headroom"] or ini.get("budget_headroom"),
        "budget_tolerance": options["tolerance"] or ini.get("budget_tolerance"),
        "budget_strict": options["strict"] or ini.get("budget_strict"),
        "budget_measure": options["measure"] or ini.get("budget_measure"),
        "budget_root": root,
        "budget_baseline_named": bool(options["baseline"] or ini.get("budget_baseline")),
    }
    values["budget_baseline"] = options["baseline"] or root / (ini.get("budget_baseline") or BASELINE)
    values["budget_report"] = options["report"] or [root / one for one in _lines(ini.get("budget_report"))]
    return values


def _lines(value: Any) -> list[str]:
    return value if isinstance(value, list) else str(value or "").split()


def _ini_keys(root: Path) -> dict[str, Any]:
    """The keys ``budget_...`` of the first file that pytest would take its settings from."""
    for name, section in (*_INI[:2], ("pyproject.toml", ""), *_INI[2:]):
        path = root / name
        if not path.is_file():
            continue
        found = _toml_keys(path) if not section else _section(path, section)
        if found is not None:
            return {key: value for key, value in found.items() if key.startswith("budget_")}
    return {}


def _toml_keys(path: Path) -> dict[str, Any] | None:
    tables = read_toml(path.read_bytes(), str(path)).get("tool", {}).get("pytest")
    return tables.get("ini_options", tables) if tables is not None else None


def _section(path: Path, section: str) -> dict[str, Any] | None:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (configparser.Error, UnicodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    return dict(parser[section]) if parser.has_section(section) else None
