"""The models of a package: classes and factories that need no more arguments, and a point each is counted at."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..counting.measure import count
from ..counting.model.build import build, is_module, is_module_class
from ..errors import BudgetError, TargetError, UsageError
from ..targets.find import find_target, target_of
from ..targets.found import FoundTarget
from ..targets.loading import load_package
from ..values.cost import Cost
from ..values.input_tensor import tensor
from ..values.parameters import parameters_of
from ..values.point import OperatingPoint, axes, find_axis
from ..values.request import Request

_ASIDE = ("test", "conftest", "setup", "__main__")


@dataclass(frozen=True)
class FoundModel:
    """A model by its TARGET, the arguments it was counted with, and the cost, or ``why`` it was not counted.

    ``args`` are those of what builds it.
    """

    target: str
    arguments: Mapping[str, Any]
    args: Mapping[str, Any] = field(default_factory=dict)
    cost: Cost | None = None
    why: str = ""

    @property
    def name(self) -> str:
        """What its module calls it."""
        return self.target.rpartition(":")[2]


def find_models(package: str, given: Mapping[str, Any], args: Mapping[str, Any]) -> Iterator[FoundModel]:
    """The models of a package, counted at ``given`` arguments, or else at the first operating point they accept.

    Each gets those of ``args`` that its signature names. Classes that are parts of others of them are left out. A
    module that does not import is told as a model of no name. Nothing is called but classes of models, and functions
    whose code shows that they return what one of these makes. Of a TARGET, it is the one model. Raises `TargetError`
    where there is no such package, `UsageError` for ``args`` that nothing takes.
    """
    if ":" in package:
        yield _counted(package, find_target(package, args), given)
        return
    found: list[FoundModel] = []
    taken: set[str] = set()
    for module in _modules(load_package(package), found):
        for name, factory in _factories(module, args):
            names = {one.name for one in parameters_of(factory) or ()}
            own = {key: value for key, value in args.items() if key in names}
            taken |= set(own)
            found.append(_counted(f"{module.__name__}:{name}", target_of(factory, own), given))
    for name in set(args) - taken:
        raise UsageError(f"--arg {name}=...: no model of {package} takes an argument {name!r}. Leave it out.")
    parts = {row.kind for one in found if one.cost for path, row in one.cost.modules.items() if path}
    yield from (one for one in found if one.name not in parts)


def _modules(package: Any, found: list[FoundModel]) -> Iterator[Any]:
    yield package
    for info in pkgutil.iter_modules(getattr(package, "__path__", [])):
        if info.name.startswith(_ASIDE):
            continue
        name = f"{package.__name__}.{info.name}"
        try:
            module = load_package(name)
        except TargetError as error:
            found.append(FoundModel(f"{name}:", {}, why=str(error)))
            continue
        yield from _modules(module, found)


def _factories(module: Any, args: Mapping[str, Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The factories that need nothing but what an operating point gives, and ``args``."""
    by_name = {*(one.name for one in axes(by_name=True)), *args}
    for name, value in vars(module).items():
        own = getattr(value, "__module__", None) == module.__name__
        if own and not name.startswith("_") and _makes_models(value, frozenset()) and _needs(value) <= by_name:
            yield name, value


def _needs(factory: Callable[..., Any]) -> set[str]:
    """The names of the required arguments."""
    parameters = parameters_of(factory)
    if parameters is None:
        return {"?"}
    required = [p for p in parameters if p.default is p.empty]
    return {p.name for p in required if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}


def _makes_models(value: Any, inside: frozenset[Any]) -> bool:
    """Whether a value is a class of models, or a function that says or shows that it returns one of these."""
    if is_module_class(value):
        return not inspect.isabstract(value)
    if not inspect.isfunction(value) or value in inside or inspect.iscoroutinefunction(value):
        return False
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(value)))
    except (OSError, TypeError, SyntaxError):
        return False

    def makes(node: ast.AST | None) -> bool:
        made = _named(node.func, value.__globals__) if isinstance(node, ast.Call) else None
        return made is not None and _makes_models(made, inside | {value})

    nodes = list(ast.walk(body))
    made = {
        target.id
        for node in nodes
        if isinstance(node, ast.Assign) and makes(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    returned = [node.value for node in nodes if isinstance(node, ast.Return)]
    return any(makes(node) or (isinstance(node, ast.Name) and node.id in made) for node in returned)


def _named(node: ast.AST, names: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return names.get(node.id)
    return getattr(_named(node.value, names), node.attr, None) if isinstance(node, ast.Attribute) else None


def _counted(name: str, target: FoundTarget, given: Mapping[str, Any]) -> FoundModel:
    why = ""
    for arguments in [given] if given else _guesses(target):
        request = Request.of(**{**target.usual(arguments), **arguments})
        try:
            cost = count(target.model, replace(request, point=request.point.with_batch_if_needed()))
        except BudgetError as error:
            why = why or str(error).splitlines()[0]
            continue
        if cost.flops or not cost.params:
            return FoundModel(name, arguments, target.args, cost)
        why = why or "it computes nothing at the operating points tried"
    return FoundModel(name, {}, target.args, why=why or "no operating point was found that it accepts")


def _guesses(target: FoundTarget) -> Iterator[dict[str, Any]]:
    """Arguments to try: none where its zoo gives some, what the first weight takes, then usual sizes of each axis."""
    if target.sizes or target.inputs is not None:
        yield {}
    factory = target.model
    if is_module(factory):
        return
    shape: tuple[int, ...] = ()
    try:
        model = build(factory, OperatingPoint(batch=1))
        shape = next((tuple(weight.shape) for weight in model.parameters() if weight.dim() > 1), ())
    except BudgetError:
        pass  # building it at an operating point may go better, and its error is told
    picture = len(shape) == 4
    for one in axes(ordered=True):
        values = () if one.name == "batch" else find_axis(one.name).start
        for value in values:
            channels = {"channels": shape[1]} if one.name == "res" and picture and shape[1] != 3 else {}
            if one.name != "res" or picture or not shape:
                yield {one.name: value, **channels}
    if len(shape) == 2:
        yield {"inputs": tensor("batch", shape[1])}
    if len(shape) == 3:
        yield {"inputs": tensor("batch", shape[1], 128)}
