"""Budgets without a test file: the tables ``[tool.modelbudget]`` of ``pyproject.toml`` or ``modelbudget.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BudgetError, UsageError, nearest
from ..judging.budget import NAMED, Budget, names_fixture, parse_budgets
from ..sources.rewrite import digest_of
from ..sources.toml import find_line, read_toml
from ..targets.find import find_target
from ..values.input_tensor import tensor
from ..values.metrics import metric_names
from ..values.point import axis_names
from ..values.written import Place, Written

FILES = ("pyproject.toml", "modelbudget.toml")
"""The files that may have the tables."""

_TENSOR = {"size", "dtype", "high"}


@dataclass(frozen=True)
class TableEntry:
    """The budgets of one name, with the line of its table. Several tables of a name are several operating points."""

    name: str
    line: int
    budgets: tuple[Budget, ...]


@dataclass(frozen=True)
class Table:
    """What the tables of one file say: the arguments that all budgets of the project have by default, and budgets."""

    path: Path = Path()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    said: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    text: str = ""

    def entries(self) -> list[TableEntry]:
        """The budgets, checked. Raises `UsageError` that names the table."""
        return [self._entry(name) for name in self.said]

    def _entry(self, name: str) -> TableEntry:
        line = find_line(self.text, ("tool", "modelbudget", "budgets", name))
        tables = [{**_model(name, said), **said} for said in self.said[name]]
        own: list[tuple[tuple[Any, ...], Mapping[str, Any]]] = [((), said) for said in tables]
        try:
            budgets = parse_budgets([own, [((), self.defaults)]])
            for budget in budgets:
                if not isinstance(budget.model, str) or names_fixture(budget.model):
                    raise UsageError(
                        f'model = {budget.model!r} is no TARGET. Write model = "package.module:factory", '
                        '"path/file.py:factory" or "torchvision:resnet50".'
                    )
            return TableEntry(name, line, tuple(budgets))
        except UsageError as error:
            raise UsageError(f"{self.path.name}:{line}: budgets.{name}: {error}") from None


def project_table(folder: Path) -> Table:
    """The tables of a project: those of its ``modelbudget.toml`` if there is one, else of its ``pyproject.toml``.

    Raises `UsageError` for tables in both files, and for what is no such table.
    """
    found = [table for name in FILES if (table := read_table(folder / name)) is not None]
    if len(found) > 1:
        raise UsageError(f"There are budgets in {' and '.join(FILES)}. Keep them in one of the two.")
    return found[0] if found else Table()


def read_table(path: Path) -> Table | None:
    """The tables of a file; ``None`` where it is not there, or says nothing of budgets. Raises `UsageError`."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    ours = path.name != "pyproject.toml"
    if not ours and b"modelbudget" not in data:
        return None
    tree = read_toml(data, str(path))
    tool = tree.get("tool", {})
    if ours and (set(tree) - {"tool"} or "modelbudget" not in tool):
        found = ", ".join(tree) or "nothing"
        raise UsageError(f"{path}: {found} is there. Allowed: tables [tool.modelbudget.budgets.NAME].")
    return _table(tool["modelbudget"], path, data) if "modelbudget" in tool else None


def _table(said: Any, path: Path, data: bytes) -> Table:
    allowed = ("budgets", "defaults")
    for key in said if isinstance(said, dict) else [said]:
        if key not in allowed:
            raise UsageError(
                f"{path.name}: {key!r} is nothing of [tool.modelbudget].{nearest(str(key), allowed)} "
                f"Allowed: {' and '.join(allowed)}."
            )
    place = Place(str(path.resolve()), digest_of(data), "")
    defaults = _arguments(said.get("defaults", {}), "defaults", place, ("defaults",))
    budgets = said.get("budgets", {})
    if not isinstance(budgets, dict):
        raise UsageError(f"{path.name}: budgets is no table. Write [tool.modelbudget.budgets.NAME].")
    read: dict[str, tuple[Mapping[str, Any], ...]] = {}
    for name, tables in budgets.items():
        several = isinstance(tables, list)
        read[name] = tuple(
            _arguments(one, f"budgets.{name}", place, ("budgets", name, *([number] if several else [])))
            for number, one in enumerate(tables if several else [tables])
        )
    return Table(path, defaults, read, data.decode())


def _arguments(said: Any, name: str, place: Place, path: tuple[str | int, ...]) -> dict[str, Any]:
    """The arguments of ``@budget`` that a table says, its limits with their places."""
    if not isinstance(said, dict):
        raise UsageError(f"{Path(place.file).name}: {name} is {said!r}. Write [tool.modelbudget.{name}].")
    found: dict[str, Any] = {}
    for key, value in said.items():
        if key in metric_names():
            at = Place(place.file, place.digest, key, path=("tool", "modelbudget", *path))
            found[key] = Written(... if value == "..." else value, at)
        elif key in NAMED:
            found[key] = _inputs(key, value, Path(place.file).parent)
        elif key in axis_names() and isinstance(value, list):
            found[key] = tuple(value)
        else:
            found[key] = value
    return found


def _inputs(name: str, value: Any, folder: Path) -> Any:
    """``inputs`` as the marker takes it: an array is a shape, an array of arrays several, a table keyword arguments.

    ``{ size = ["batch", "seq"], dtype = "int64" }`` is a tensor; ``"file.py:function"`` names a callable, as it does
    for a ``loader``.
    """
    if isinstance(value, str):
        try:
            return find_target(value, {}, folder).model
        except BudgetError as error:
            raise UsageError(f"{name} = {value!r}: {error}") from error
    if name == "loader":
        raise UsageError(f'loader = {value!r} is not a text. Write loader = "path/file.py:function", which makes it.')
    if isinstance(value, list) and not any(isinstance(one, (list, dict)) for one in value):
        return tuple(value)
    return _nested(value)


def _nested(value: Any) -> Any:
    if isinstance(value, dict) and "size" in value and not set(value) - _TENSOR:
        return tensor(*value["size"], **{key: one for key, one in value.items() if key != "size"})
    if isinstance(value, dict):
        return {key: _nested(one) for key, one in value.items()}
    if isinstance(value, list) and not any(isinstance(one, (list, dict)) for one in value):
        return tensor(*value) if any(isinstance(one, str) for one in value) else value
    return [_nested(one) for one in value] if isinstance(value, list) else value


def _model(name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """A name that is a TARGET says which model is meant."""
    return {"model": name} if ":" in name and "model" not in said else {}
