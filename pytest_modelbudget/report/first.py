"""What ``modelbudget init`` writes: a table, or a test file, of the models that were found, with measured limits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from ..grids.discovery import FoundModel
from ..text.line import one_line, quoted
from ..values.input_tensor import InputTensor
from ..values.metrics import find_metric, metric_names, with_headroom
from ..values.point import axis_names, find_axis


def first_table(found: Iterable[FoundModel], headroom: Decimal) -> str:
    """Tables ``[tool.modelbudget.budgets.NAME]``; what could not be counted is a comment."""
    parts = []
    names: set[str] = set()
    for one in found:
        name = one.name if one.name not in names else one.target.replace(":", ".")
        names.add(name)
        head = f"[tool.modelbudget.budgets.{_key(name)}]\nmodel = {quoted(one.target)}\n"
        if one.cost is None:
            parts.append(_comment(f"{one.target}: {one_line(one.why)}", head if one.name else ""))
            continue
        args = [("args", one.args)] if one.args else []
        lines = [f"{key} = {_value(value)}" for key, value in (*args, *_arguments(one), *_limits(one, headroom))]
        parts.append(head + "\n".join(lines) + "\n")
    return "\n".join(parts)


def first_tests(found: Iterable[FoundModel], headroom: Decimal) -> str:
    """A test file with a ``@budget`` for each model; what could not be counted is a comment."""
    parts = ["from pytest_modelbudget import budget, tensor\n"]
    names: set[str] = set()
    for one in found:
        if one.cost is None:
            parts.append(_comment(f"{one.target}: {one_line(one.why)}", ""))
            continue
        name = re.sub(r"\W", "_", one.name if one.name not in names else one.target).lower()
        names.add(one.name)
        args = {"args": one.args} if one.args else {}
        said = {"model": one.target, **args, **dict(_arguments(one)), **dict(_limits(one, headroom))}
        arguments = ", ".join(f"{key}={_code(value)}" for key, value in said.items())
        parts.append(f"@budget({arguments})\ndef test_{name}(): ...\n")
    text = "\n\n".join(parts)
    return text if "tensor(" in text else text.replace("budget, tensor\n", "budget\n", 1)


def _arguments(one: FoundModel) -> Iterator[tuple[str, Any]]:
    """The arguments it was counted with; a square picture by one side."""
    for name, value in one.arguments.items():
        if one.cost is not None and name in axis_names():
            value = find_axis(name).kind.argument(getattr(one.cost.point, name))
        yield name, value


def _limits(one: FoundModel, headroom: Decimal) -> Iterator[tuple[str, str]]:
    for metric in metric_names(headline=True):
        value = one.cost.metric(metric) if one.cost is not None else None
        if value is not None and (value or not find_metric(metric).compute):
            yield metric, with_headroom(value, metric, headroom)


def _comment(text: str, rest: str) -> str:
    return "".join(f"# {line}\n" for line in [text, *rest.splitlines()])


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)


def _value(value: Any) -> str:
    """A value in TOML."""
    if isinstance(value, InputTensor):
        return _value(value.sizes)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(str(key))} = {_value(one)}' for key, one in value.items())} }}"
    if isinstance(value, bool):
        return str(value).lower()
    return quoted(value) if isinstance(value, str) else str(value)


def _code(value: Any) -> str:
    """A value in Python, with the quotes that formatters give."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{quoted(key)}: {_code(one)}' for key, one in value.items())}}}"
    return quoted(value) if isinstance(value, str) else repr(value)
