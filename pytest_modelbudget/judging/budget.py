"""From the arguments of ``@budget`` to a frozen `Budget`, checked once, when tests are collected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any

from ..errors import UsageError
from ..targets.arguments import check_names
from ..text.units import parse_percent
from ..values.aliases import did_you_mean
from ..values.frozen import freeze
from ..values.limits import FITS, limit_names, take_limits
from ..values.metrics import all_metrics, metric_names
from ..values.point import OperatingPoint, axis_names, dimensions, find_axis
from ..values.request import SETTINGS, Request, argument_names, without_unset
from ..values.written import Place, Written
from .scaling import parse_scaling


@dataclass(frozen=True)
class Budget:
    """What one ``@budget`` says.

    ``arguments`` are those of the measurement, as written, ``args`` those of what builds the model; ``limits`` are
    whole counts, bytes or nanoseconds by metric, of the submodule ``module`` if it names one. ``scaling`` has
    exponents, as texts, by what they are of; ``tolerance`` is in percent. ``inherited`` names the arguments that its
    class or module gave. The metrics ``open`` have a limit that is to be filled in, ``...``; ``places`` say where
    limits are written, as far as that is known.
    """

    model: Any = None
    args: Mapping[str, Any] = field(default_factory=dict)
    module: str = ""
    scaling: Mapping[str, str] | None = None
    tolerance: Decimal | None = None
    name: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    inherited: frozenset[str] = frozenset()
    open: tuple[str, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing in a budget changes."""
        freeze(self, "args", "arguments", "limits", "places")

    def request(
        self,
        sizes: Mapping[str, Any],
        own: Iterable[str] = (),
        *,
        named: Mapping[str, Any] | None = None,
        usual: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
    ) -> Request:
        """What to measure; a size that the marker leaves open comes from ``sizes``, which the test knows.

        ``named`` are the values of arguments that name a fixture or a TARGET; those without a value are left open.
        ``usual`` gives arguments for what is still open, as the model's zoo does.

        Those named in ``own`` are the test's own arguments: they go before what its class or module says, and have to
        agree with what its marker says. An axis that nobody gives stays open, but a batch that is needed is 1. Raises
        `UsageError`.
        """
        from_test = {name: sizes.get(name) for name in axis_names(of_tests=True)}
        texts = {name for name in NAMED if isinstance(self.arguments.get(name), str)}
        said = {name: value for name, value in self.arguments.items() if name not in texts}
        given = {**from_test, **said, **(named or {})}
        for name in set(own) & set(self.arguments):
            if name in self.inherited:
                given[name] = sizes[name]
            else:
                _check_agreement(name, given[name], sizes[name])
        if "dims" in given:
            dims = dimensions(given["dims"])
            given["dims"] = {n: sizes.get(n) if value is None else value for n, value in dims.items()}
            for name in set(own) & {n for n, value in dims.items() if value is not None}:
                if "dims" in self.inherited:
                    given["dims"][name] = sizes[name]
                else:
                    _check_agreement(name, dims[name], sizes[name])
        given = {**given, **(usual(without_unset(given)) if usual is not None else {})}
        if given.get("mode") != "train":  # a class's default for those of its tests that train
            given = {name: value for name, value in given.items() if name not in _for_training()}
        request = Request.of(**without_unset(given))
        return replace(request, point=request.point.with_batch_if_needed())

    def point(self, sizes: Mapping[str, Any], own: Iterable[str] = ()) -> OperatingPoint:
        """The operating point of `request`."""
        return self.request(sizes, own).point


def _check_agreement(name: str, marked: Any, argument: Any) -> None:
    kind = find_axis(name).kind
    if kind.parse(name, marked) != kind.parse(name, argument):
        raise UsageError(
            f"two values of {name}: {name}={marked!r} in @budget, {name}={argument!r} as the test's own argument. "
            "Leave one of them out."
        )


NAMED = ("inputs", "loader")
"""The arguments beside ``model`` whose value may be named by a text."""


def names_fixture(value: Any) -> bool:
    """Whether an argument names a fixture. A text with a colon is a TARGET, as a command takes it."""
    return isinstance(value, str) and ":" not in value


def fixtures_named(arguments: Mapping[str, Any]) -> list[str]:
    """The fixtures that arguments of ``@budget`` name."""
    values = [arguments.get(name) for name in ("model", *NAMED)]
    return [value for value in values if isinstance(value, str) and names_fixture(value)]


def _for_training() -> tuple[str, ...]:
    return (*axis_names(training=True), "loss")


def _own_arguments() -> tuple[str, ...]:
    parsed = ("arguments", "limits", "inherited", "open", "places")
    return tuple(one.name for one in fields(Budget) if one.name not in parsed)


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
                f"{name!r} is not an argument of budget().{did_you_mean(name, allowed)} Allowed: {', '.join(allowed)}."
            )
    given = without_unset(keywords)
    places = {name: value.place for name, value in given.items() if isinstance(value, Written)}
    given = {name: value.value if isinstance(value, Written) else value for name, value in given.items()}
    left_open = tuple(name for name in metric_names() if given.get(name) is ...)
    given = {name: value for name, value in given.items() if name not in left_open}
    limits = take_limits(given, left_open=left_open, whole=whole)
    own = {name: given.pop(name) for name in _own_arguments() if name in given}
    if "args" in own:
        own["args"] = check_names(own["args"])
    if "scaling" in own:
        own["scaling"] = parse_scaling(own["scaling"], dimensions(given.get("dims", {})))
    if "tolerance" in own:
        own["tolerance"] = parse_percent(own["tolerance"], "tolerance")
    budget = Budget(**own, arguments=given, limits=limits, open=left_open, places=places)
    if whole:
        _check_training(budget)
    budget.request({})
    _check_module(budget, keywords)
    _check_rest(budget)
    return budget


def _check_training(budget: Budget) -> None:
    for name in _for_training():
        if name in budget.arguments and budget.arguments.get("mode") != "train":
            raise UsageError(f"{name}= is for a training step. Add mode='train', or leave it out.")


def _check_module(budget: Budget, written: Mapping[str, Any]) -> None:
    if not isinstance(budget.module, str):
        raise UsageError(f"module={budget.module!r} is not the name of a submodule, such as 'layer4'.")
    for metric in all_metrics():
        if budget.module and metric.name in (*budget.limits, *budget.open) and not metric.in_modules:
            name = metric.name if written.get(metric.name) is not None else FITS
            raise UsageError(
                f"{name}= is a limit on the whole model, and here is module={budget.module!r}: "
                f"{metric.why_whole}. Give it a marker of its own."
            )


def _check_rest(budget: Budget) -> None:
    for name in NAMED:
        if budget.arguments.get(name) == "":
            raise UsageError(
                f"{name}='' names nothing. Allowed: the name of a fixture, 'path/file.py:function', or a value."
            )
    if budget.model is not None and not isinstance(budget.model, str) and not callable(budget.model):
        raise UsageError(
            f"model={budget.model!r} is a {type(budget.model).__name__}. "
            "Allowed: a factory, an nn.Module, the name of a fixture, or a TARGET such as 'torchvision:resnet50'."
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
    return [
        replace(parse_budget(args, {**defaults, **keywords}), inherited=frozenset(defaults) - frozenset(keywords))
        for args, keywords in own
    ]
