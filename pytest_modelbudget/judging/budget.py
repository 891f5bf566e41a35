"""From the arguments of ``@budget`` to a frozen `Budget`, checked once, when tests are collected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any

from ..errors import UsageError, nearest
from ..text.units import parse_percent
from ..values.frozen import freeze
from ..values.limits import limit_names, take_limits
from ..values.metrics import all_metrics
from ..values.point import OperatingPoint, axis_names
from ..values.request import SETTINGS, Request, argument_names, without_unset
from .scaling import parse_scaling


@dataclass(frozen=True)
class Budget:
    """What one ``@budget`` says.

    ``arguments`` are those of the measurement, as written; ``limits`` are whole counts, bytes or nanoseconds by metric,
    of the submodule ``module`` if it names one. ``scaling`` has exponents, as texts, by what they are of; ``tolerance``
    is in percent.
    """

    model: Any = None
    module: str = ""
    scaling: Mapping[str, str] | None = None
    tolerance: Decimal | None = None
    name: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing in a budget changes."""
        freeze(self, "arguments", "limits")

    def request(self, test_arguments: Mapping[str, Any]) -> Request:
        """What to measure; an ordered axis that the marker leaves out comes from the test's argument of that name.

        One that nobody gives stays open, but a batch that is needed is 1. Raises `UsageError`.
        """
        from_test = {name: test_arguments.get(name) for name in axis_names(ordered=True)}
        given = {**from_test, **self.arguments}
        if given.get("mode") != "train":  # a class's default for those of its tests that train
            given = {name: value for name, value in given.items() if name not in _for_training()}
        request = Request.of(**without_unset(given))
        return replace(request, point=request.point.with_batch_if_needed())

    def point(self, test_arguments: Mapping[str, Any]) -> OperatingPoint:
        """The operating point of `request`."""
        return self.request(test_arguments).point


def _for_training() -> tuple[str, ...]:
    return (*axis_names(training=True), "loss")


def _own_arguments() -> tuple[str, ...]:
    return tuple(one.name for one in fields(Budget) if one.name not in ("arguments", "limits"))


def marker_arguments() -> tuple[str, ...]:
    """Everything that ``@budget`` takes."""
    measured = tuple(name for name in argument_names() if name not in SETTINGS)
    model, *own = _own_arguments()
    return (model, *measured, *limit_names(), *own)


def parse_budget(args: tuple[Any, ...], keywords: Mapping[str, Any], *, whole: bool = True) -> Budget:
    """Check the arguments of one marker, its defaults merged in. Raises `UsageError` naming the argument.

    Not ``whole`` are defaults alone: what they need may come from the test's own marker.
    """
    if args:
        shown = ", ".join(repr(arg)[:60] for arg in args)
        raise UsageError(f"budget({shown}): arguments are keywords. Write flops=, params=, model=, ...")
    allowed = marker_arguments()
    for name in keywords:
        if name not in allowed:
            raise UsageError(
                f"{name!r} is not an argument of budget().{nearest(name, allowed)} Allowed: {', '.join(allowed)}."
            )
    given = without_unset(keywords)
    limits = take_limits(given, whole=whole)
    own = {name: given.pop(name) for name in _own_arguments() if name in given}
    if "scaling" in own:
        own["scaling"] = parse_scaling(own["scaling"])
    if "tolerance" in own:
        own["tolerance"] = parse_percent(own["tolerance"], "tolerance")
    budget = Budget(**own, arguments=given, limits=limits)
    if whole:
        _check_training(budget)
    budget.request({})
    _check_module(budget)
    _check_rest(budget)
    return budget


def _check_training(budget: Budget) -> None:
    for name in _for_training():
        if name in budget.arguments and budget.arguments.get("mode") != "train":
            raise UsageError(f"{name}= is for a training step. Add mode='train', or leave it out.")


def _check_module(budget: Budget) -> None:
    if not isinstance(budget.module, str):
        raise UsageError(f"module={budget.module!r} is not the name of a submodule, such as 'layer4'.")
    for metric in all_metrics():
        if budget.module and metric.name in budget.limits and not metric.in_modules:
            raise UsageError(
                f"{metric.name}= is a limit on the whole model, and here is module={budget.module!r}: "
                f"{metric.why_whole}. Give it a marker of its own."
            )


def _check_rest(budget: Budget) -> None:
    if budget.model is not None and not isinstance(budget.model, str) and not callable(budget.model):
        raise UsageError(
            f"model={budget.model!r} is a {type(budget.model).__name__}. "
            "Allowed: a factory, an nn.Module, or the name of a fixture."
        )
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
