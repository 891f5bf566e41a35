"""From the arguments of ``@budget`` to a frozen `Budget`, checked once, when tests are collected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from ..errors import UsageError, nearest
from ..text import units
from ..values.cost import ESTIMATES, METRICS
from ..values.devices import find_device, named_devices
from ..values.point import OperatingPoint, operating_point
from .scaling import parse_scaling


@dataclass(frozen=True)
class Budget:
    """What one ``@budget`` says. The fields are the marker's arguments; limits are whole counts, bytes, nanoseconds.

    ``scaling`` has exponents, as texts, by what they are of.
    """

    model: Any = None
    batch: int | None = None
    res: Any = None
    channels: int | None = None
    seq: int | None = None
    inputs: Any = None
    dtype: Any = None
    mode: str = "infer"
    optimizer: Any = None
    flops: int | None = None
    macs: int | None = None
    params: int | None = None
    trainable_params: int | None = None
    activations: int | None = None
    weights: int | None = None
    memory: int | None = None
    amp: Any = None
    attention: Any = None
    loss: Any = None
    device: Any = None
    latency: int | None = None
    module: str = ""
    scaling: Mapping[str, str] | None = None
    tolerance: Decimal | None = None
    name: str | None = None

    @property
    def limits(self) -> dict[str, int]:
        """The limits that are set, by metric."""
        metrics = (*METRICS, *ESTIMATES)
        return {metric: getattr(self, metric) for metric in metrics if getattr(self, metric) is not None}

    def point(self, arguments: Mapping[str, Any]) -> OperatingPoint:
        """The operating point; what the marker leaves out comes from the test's arguments of that name.

        A dimension nobody gives stays open, but a batch that is needed is 1. Raises `UsageError`.
        """
        given = {}
        for name in ("batch", "res", "seq"):
            value = getattr(self, name)
            given[name] = arguments.get(name) if value is None else value
        point = operating_point(
            **given,
            channels=self.channels,
            dtype=self.dtype,
            mode=self.mode,
            optimizer=self.optimizer if self.mode == "train" else None,
            amp=self.amp,
            attention=self.attention,
            device=self.device,
        )
        return point if point.res is None and point.seq is None else point.with_batch_one()


ARGUMENTS = tuple(field.name for field in fields(Budget))


def parse_budget(args: tuple[Any, ...], keywords: Mapping[str, Any], *, whole: bool = True) -> Budget:
    """Check the arguments of one marker, its defaults merged in. Raises `UsageError` naming the argument.

    Not ``whole`` are defaults alone: what they need may come from the test's own marker.
    """
    if args:
        shown = ", ".join(repr(arg)[:60] for arg in args)
        raise UsageError(f"budget({shown}): arguments are keywords. Write flops=, params=, model=, ...")
    for name in keywords:
        if name not in ARGUMENTS:
            raise UsageError(
                f"{name!r} is not an argument of budget().{nearest(name, ARGUMENTS)} Allowed: {', '.join(ARGUMENTS)}."
            )
    given = {name: value for name, value in keywords.items() if value is not None}
    for metric in (*METRICS, *ESTIMATES):
        if metric in given:
            given[metric] = units.parse(given[metric], metric)
    if "scaling" in given:
        given["scaling"] = parse_scaling(given["scaling"])
    if "tolerance" in given:
        given["tolerance"] = units.parse_percent(given["tolerance"], "tolerance")
    budget = Budget(**given)
    budget.point({})
    _check_device(budget, whole=whole)
    _check_training(budget, whole=whole)
    _check_rest(budget)
    return budget


def _check_device(budget: Budget, *, whole: bool) -> None:
    device = find_device(budget.device) if budget.device is not None else None
    if whole and budget.latency is not None and (device is None or not device.has_speed):
        limit = units.show_limit(budget.latency, "latency")
        found = "no device" if device is None else f"device={budget.device!r}, which names no card"
        raise UsageError(
            f"latency={limit!r} is a limit on a predicted time, and here is {found}. "
            f"Name one whose speed is known, such as device='T4'. There are: {named_devices()}."
        )


def _check_training(budget: Budget, *, whole: bool) -> None:
    for name in ("optimizer", "loss"):
        if whole and getattr(budget, name) is not None and budget.mode != "train":
            raise UsageError(f"{name}= is for a training step. Add mode='train', or leave it out.")
    if budget.loss is not None and not callable(budget.loss):
        raise UsageError(f"loss={budget.loss!r} is not a loss. Allowed: a callable that gets the model's output.")
    if budget.memory is not None and budget.module:
        raise UsageError(
            f"memory= is a limit on the whole model, and here is module={budget.module!r}: a peak has no parts. "
            "Give it a marker of its own."
        )


def _check_rest(budget: Budget) -> None:
    if budget.model is not None and not isinstance(budget.model, str) and not callable(budget.model):
        raise UsageError(
            f"model={budget.model!r} is a {type(budget.model).__name__}. "
            "Allowed: a factory, an nn.Module, or the name of a fixture."
        )
    if not isinstance(budget.module, str):
        raise UsageError(f"module={budget.module!r} is not the name of a submodule, such as 'layer4'.")
    if budget.name is not None and (not isinstance(budget.name, str) or not budget.name.strip()):
        raise UsageError(f"name={budget.name!r} is not a name.")


def parse_budgets(levels: Iterable[list[tuple[tuple[Any, ...], Mapping[str, Any]]]]) -> list[Budget]:
    """Budgets of one test from its markers, nearest level first: the test's own, its class's, its module's.

    Each marker of the nearest level is an operating point of its own; the levels around it give defaults,
    the nearer winning. Raises `UsageError`.
    """
    own, *around = [level for level in levels if level]
    defaults: dict[str, Any] = {}
    for level in reversed(around):
        for args, keywords in level:
            parse_budget(args, keywords, whole=False)
            defaults.update(keywords)
    return [parse_budget(args, {**defaults, **keywords}) for args, keywords in own]
