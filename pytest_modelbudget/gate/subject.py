"""Which model a test is about: what it returns, the argument that is one, or what its marker names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..counting.model.build import call_on_meta, is_module
from ..counting.model.process import undisturbed_process
from ..counting.sharded.process_group import process_group
from ..errors import UsageError
from ..judging.budget import NAMED, Budget, names_fixture
from ..targets.find import find_target, target_of
from ..targets.found import FoundTarget
from ..values.aliases import meaning
from ..values.point import OperatingPoint, axis_names, find_axis, is_dimension


@dataclass(frozen=True)
class TestCase:
    """What the gate needs to know of a test: its name, its place, and the values of its fixtures by name.

    ``own`` names those that are arguments of the test, ``parametrized`` those that it was parametrized with; ``root``
    is the folder that reports show paths relative to, ``folder`` that of paths in TARGETs.
    """

    __test__ = False

    nodeid: str
    path: str
    line: int
    arguments: Mapping[str, Any]
    root: str = ""
    folder: str = ""
    own: tuple[str, ...] = ()
    parametrized: tuple[str, ...] = ()

    @property
    def sizes(self) -> dict[str, Any]:
        """The axes of the operating point that arguments and fixtures give, and what may be a dimension.

        A fixture that only has such a name, and is a batch of data, say, gives none; a parameter is taken for one.
        """
        axes = axis_names(of_tests=True)
        return {
            name: value
            for name, value in self.arguments.items()
            if (name in axes or is_dimension(name))
            and (find_axis(name).kind.resembles(value) or (name in axes and name in self.parametrized))
            and value is not None
        }

    @property
    def own_sizes(self) -> tuple[str, ...]:
        """The names of `sizes` that are the test's own."""
        return tuple(name for name in self.sizes if name in self.own or name in self.parametrized)

    @property
    def models(self) -> dict[str, Any]:
        """The test's own arguments that are models."""
        return {name: self.arguments[name] for name in self.own if is_module(self.arguments[name])}


@dataclass(frozen=True)
class Body:
    """What a test's own code returned, and how to have it again: for real, or with other arguments.

    ``on_meta`` says that what it returned was built on the meta device.
    """

    returned: Any = None
    on_meta: bool = False
    again: Callable[..., Any] | None = None


def names_its_model(budgets: Iterable[Budget], test: TestCase) -> bool:
    """Whether a model is known without what the test returns, so that its body is just a test."""
    return any(budget.model is not None for budget in budgets) or bool(test.models)


def find_model(budget: Budget, test: TestCase, returned: Any) -> FoundTarget:
    """The model or factory a budget is about, with its ``args``. Raises `UsageError` for none, and for two."""
    model = _model(budget, test, returned)
    if budget.args and budget.model is None:
        raise UsageError(
            "args= are for what builds the model, and here the test gives one that is built. Say model= with a "
            "factory, or build it with these arguments in the test."
        )
    return target_of(model, budget.args, Path(test.folder))


def named_values(budget: Budget, test: TestCase) -> dict[str, Any]:
    """What ``inputs=`` and ``loader=`` name by a text: the value of a fixture, or a function of a file or module."""
    named = {name: budget.arguments[name] for name in NAMED if isinstance(budget.arguments.get(name), str)}
    return {
        name: _fixture(text, test, f"{name}={text!r}")
        if names_fixture(text)
        else find_target(text, {}, Path(test.folder)).model
        for name, text in named.items()
    }


def _fixture(name: str, test: TestCase, what: str) -> Any:
    if name not in test.arguments:
        raise UsageError(
            f"{what}: the fixture {name!r} was not set up, since this marker was added later. "
            "Let the test take it as an argument, too."
        )
    return test.arguments[name]


def _model(budget: Budget, test: TestCase, returned: Any) -> Any:
    if budget.model is not None:
        target = budget.model
        if names_fixture(target):
            target = _fixture(target, test, "no model")
            if not is_module(target) and not callable(target):
                raise UsageError(
                    f"no model: the fixture {budget.model!r} gave {_kind(target)}, not an nn.Module or a factory."
                )
        if is_module(returned) and returned is not target:
            raise UsageError("two models: the test returns one and model= names another. Keep one of them.")
        return target
    found = test.models
    distinct = {id(value) for value in found.values()}
    if is_module(returned):
        if distinct - {id(returned)}:
            raise UsageError(
                f"two models: the test returns one and takes another ({_names(found)}). Return nothing, or say model=."
            )
        return returned
    if len(distinct) > 1:
        raise UsageError(f"two models: the test takes {_names(found)}. Say which with model='...'.")
    if found:
        return next(iter(found.values()))
    raise UsageError(
        f"no model: the test returned {_kind(returned)} and has no argument that is an nn.Module. "
        "Return the model, take it as a fixture, or say model=."
    )


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a value of type {type(value).__name__}"


def _names(found: Iterable[str]) -> str:
    return " and ".join(repr(name) for name in found)


def misnamed_size(test: TestCase, budget: Budget) -> str:
    """That the test has an argument which sounds like a size that the budget leaves open, or an empty text."""
    for name in dict.fromkeys((*test.parametrized, *test.own)):
        size = meaning(name)
        if size not in axis_names(of_tests=True) or not find_axis(size).kind.resembles(test.arguments[name]):
            continue
        if size not in test.sizes and not {size, *NAMED} & set(budget.arguments):
            value = test.arguments[name]
            return (
                f"{name}={value!r} is an argument of the test, and {size}= is left out: the model was not measured at "
                f"{value!r}. Call the argument {size}, or say {size}= in @budget."
            )
    return ""


def spread_point(budgets: Iterable[Budget], test: TestCase) -> OperatingPoint:
    """The operating point of the first budget whose model is spread over ranks; one of a single rank if there is none.

    What cannot be meant in a budget is told when it is measured.
    """
    for budget in budgets:
        if not {"ranks", "parallel"}.isdisjoint((*budget.arguments, *test.sizes)):
            try:
                return budget.point(test.sizes, test.own_sizes)
            except UsageError:
                continue
    return OperatingPoint()


def build_on_meta(function: Callable[[], Any], point: OperatingPoint) -> tuple[Any, bool]:
    """Call a test that returns its model so that the model is built on meta; for real where that fails.

    It is called in the process group that ``point`` asks for, if it does. Gives what it returned, and whether it is on
    meta. The second call's error is the test's.
    """
    with undisturbed_process(), process_group(point):
        called = call_on_meta(function)
        if called.error is not None and point.world is not None:
            return function(), False
    return (called.value, True) if called.error is None else (function(), False)
