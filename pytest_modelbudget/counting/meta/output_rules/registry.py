"""The tables of output rules, and how a rule is registered for its operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch

OutputRule = Callable[..., Any]
"""Called with the operator's own arguments. Returns what the operator returns on the meta device, or
``NotImplemented``."""

_R = TypeVar("_R", bound=OutputRule)

FLOATING = frozenset({torch.float32, torch.float64, torch.bfloat16, torch.float16})
"""The dtypes that most rules are for."""

OUTPUT_RULES: dict[Any, OutputRule] = {}
"""The rule of each operator that has one."""

TEMPORARIES_RULES: dict[Any, OutputRule] = {}
"""For composite operators: the rule gives a tuple of the output and, for each temporary that is alive at the operator's
peak, its bytes."""

FILLS: set[Any] = set()
"""Operators with a rule that fill new memory with one value, or with random ones. Where small tensors keep their data,
PyTorch runs them."""

OUTPUTS_ONLY: set[Any] = set()
"""Composite operators that have temporaries which their rule in `OUTPUT_RULES` says nothing of."""


def operators_named(*names: str) -> Iterator[Any]:
    """The ATen operators of those names (``"relu"``, ``"add.Tensor"``), and ``"higher_order::"`` ones.

    Those that this PyTorch lacks are left out.
    """
    for name in names:
        if name.startswith("higher_order::"):
            found = getattr(torch.ops.higher_order, name.removeprefix("higher_order::"), None)
            if found is not None:
                yield found
            continue
        packet, _, overload = name.partition(".")
        operator = getattr(getattr(torch.ops.aten, packet, None), overload or "default", None)
        if operator is not None:
            yield operator


def output_rule(*names: str, fills: bool = False, outputs_only: bool = False) -> Callable[[_R], _R]:
    """Register a function as the output rule of the named operators.

    ``fills`` puts them into `FILLS`, ``outputs_only`` into `OUTPUTS_ONLY`. Raises `ValueError` for an operator that has
    a rule already.
    """

    def register(rule: _R) -> _R:
        for operator in operators_named(*names):
            _add(OUTPUT_RULES, operator, rule)
            if fills:
                FILLS.add(operator)
            if outputs_only:
                OUTPUTS_ONLY.add(operator)
        return rule

    return register


def temporaries_rule(*names: str) -> Callable[[_R], _R]:
    """Register a function in `TEMPORARIES_RULES` for the named operators. Raises as `output_rule`."""

    def register(rule: _R) -> _R:
        for operator in operators_named(*names):
            _add(TEMPORARIES_RULES, operator, rule)
        return rule

    return register


def _add(table: dict[Any, OutputRule], operator: Any, rule: OutputRule) -> None:
    if operator in table:
        raise ValueError(f"{operator} has an output rule already.")
    table[operator] = rule
