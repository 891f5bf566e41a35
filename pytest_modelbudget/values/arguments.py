"""The public keyword arguments, a line each: what editors show for `measure`, `sweep`, `fit`, fixture and marker.

What an argument means stands in its field: of `OperatingPoint`, of `Request`, or in the table of metrics. A test holds
these lines to those fields.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from types import EllipsisType
from typing import Any, Literal, TypeAlias, TypedDict, TypeVar

Limit: TypeAlias = int | float | str | EllipsisType
"""A number, or text such as ``"4.2G"``, ``"512MiB"``, ``"3ms"``; ``...`` is to be filled in by ``--budget-write``."""


class Settings(TypedDict, total=False):
    """What is the same at every operating point of a grid."""

    channels: int
    optimizer: Literal["none", "sgd", "momentum", "adam", "adamw"] | Callable[..., Any]
    step: str | Callable[..., Any]
    accumulate: int
    method: str
    amp: Any
    attention: Literal["fused", "math"]
    device: str
    channels_last: bool
    compile: bool
    rank: int
    parallel: Mapping[str, int] | str
    tp_plan: Mapping[str, Any]
    link: Literal["NVLink", "PCIe", "InfiniBand"]
    inputs: Any
    loader: Any
    loss: Callable[[Any], Any]
    convention: Literal["fvcore", "torch"]
    counter: Literal["aten", "fvcore"]


class Arguments(Settings, total=False):
    """The arguments of one measurement."""

    batch: int
    res: int | tuple[int, int]
    seq: int
    dims: Mapping[str, int | None] | Iterable[str]
    dtype: Any
    mode: Literal["infer", "train"]
    ranks: int
    measured: bool


class GridArguments(Settings, total=False):
    """The arguments of a grid: an axis is one value, several, or text such as ``"1,2,4"`` and ``"128:512:32"``."""

    batch: int | str | Iterable[int]
    res: int | str | tuple[int, int] | Iterable[int | tuple[int, int]]
    seq: int | str | Iterable[int]
    dims: Mapping[str, int | str | Iterable[int] | None] | Iterable[str]
    dtype: Any
    mode: str | Iterable[str]
    ranks: int | str | Iterable[int]


class Limits(TypedDict, total=False):
    """A limit for each metric."""

    flops: Limit
    forward_flops: Limit
    backward_flops: Limit
    macs: Limit
    params: Limit
    trainable_params: Limit
    activations: Limit
    weights: Limit
    memory: Limit
    communication: Limit
    latency: Limit
    footprint: Limit
    fits: bool


class FitArguments(GridArguments, Limits, total=False):
    """The arguments of `fit`."""


class CostArguments(Arguments, Limits, total=False):
    """The arguments of the fixture ``model_cost``."""


class BudgetArguments(Arguments, Limits, total=False):
    """The arguments of ``@budget``."""

    model: Any
    args: Mapping[str, Any]
    module: str
    scaling: Mapping[str, float]
    tolerance: float | str
    name: str


F = TypeVar("F", bound=Callable[..., Any])


def explicit(arguments: type) -> Callable[[F], F]:
    """Let ``inspect.signature`` and ``help`` show ``**arguments`` of a function as what ``arguments`` lists."""

    def spelled_out(function: F) -> F:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        listed = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
            for name, kind in arguments.__annotations__.items()  # a typed dictionary has those of its bases, too
        ]
        function.__signature__ = signature.replace(parameters=[*own, *listed])  # type: ignore[attr-defined]
        return function

    return spelled_out
