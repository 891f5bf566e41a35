"""What one call of an operator costs that this machine may not be able to run: its formula needs the sizes only."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pytest_modelbudget.counting.operators.classify import classify


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


RENAMED = {"grad": "grad_output"}
"""Arguments that have another name in PyTorch 2.15."""


def count(name: str, result: Any, /, **given: Any) -> tuple[int, int, int]:
    """Multiply-adds, FLOPs and activations of one call, its other arguments being what the schema says.

    ``name`` may begin with a namespace, if that is not ``aten``, and end with an overload. Arguments that the operator
    does not have are an error. ``result`` is what the call returns.
    """
    namespace, _, rest = name.rpartition("::")
    operators = getattr(torch.ops, namespace or "aten")
    packet, _, overload = rest.partition(".")
    operator = getattr(getattr(operators, packet, None), overload or "default", None)
    if operator is None:
        pytest.skip(f"PyTorch {torch.__version__} has no {rest}")
    arguments = {argument.name: argument for argument in operator._schema.arguments}
    given = {key if key in arguments else RENAMED.get(key, key): value for key, value in given.items()}
    assert set(given) <= set(arguments), f"{name} has no such argument"
    values = {
        key: given.get(key, argument.default_value if argument.has_default_value() else None)
        for key, argument in arguments.items()
    }
    positional = [value for key, value in values.items() if not arguments[key].kwarg_only]
    keywords = {key: value for key, value in values.items() if arguments[key].kwarg_only}
    cost = classify(operator).formula(*positional, out=result, **keywords)
    return cost.macs, cost.fvcore, cost.activations
