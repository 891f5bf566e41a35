"""A request: everything that a measurement is asked for, as one value that travels whole to whoever counts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..errors import UsageError
from .aliases import did_you_mean
from .device import Device
from .devices import find_device
from .kinds import Choice, name_of
from .links import link_of
from .point import OperatingPoint, axis_names, operating_point, point_arguments

CONVENTIONS = {
    "fvcore": "FLOPs as fvcore counts them: 1 multiply-add = 1.",
    "torch": "FLOPs as torch.utils.flop_counter counts them: 1 multiply-add = 2.",
}
"""What ``convention=`` may name, and the sentence for it."""

COUNTERS = {
    "aten": "every operator, on the meta device",
    "fvcore": "FlopCountAnalysis, a real run",
}
"""Who counts, as ``counter=`` names it."""


SETTINGS = ("measured", "convention", "counter")
"""The arguments that are settings of a whole run, where there is one, and none of a single budget."""


@dataclass(frozen=True)
class Request:
    """What is asked of a measurement, checked.

    ``inputs`` is as the user gave it: a tensor, shapes, a callable; of a ``loader`` its first batch is the input, or of
    what a callable makes; ``loss`` gets the model's output; ``optimizer`` and ``step`` are callables, where they are no
    names of the ``point``; ``tp_plan`` has the style of tensor parallelism of each layer. ``measured`` also runs the
    step for real.
    """

    point: OperatingPoint = field(default_factory=OperatingPoint)
    inputs: Any = None
    loader: Any = None
    loss: Callable[[Any], Any] | None = None
    optimizer: Callable[..., Any] | None = None
    step: Callable[..., Any] | None = None
    tp_plan: Mapping[str, Any] | None = None
    convention: str = "fvcore"
    counter: str = "aten"
    measured: bool = False

    @classmethod
    def of(cls, **arguments: Any) -> Request:
        """Check arguments as a user writes them. Raises `UsageError` for one that is unknown or cannot be meant."""
        allowed = argument_names()
        for name in arguments:
            if name not in allowed:
                hint = did_you_mean(name, allowed)
                raise UsageError(f"{name!r} is not an argument.{hint} Allowed: {', '.join(allowed)}.")
        given = {name: value for name, value in arguments.items() if value is not None}
        point = operating_point(**{name: given[name] for name in point_arguments() if name in given})
        options = {one.name: given[one.name] for one in _options() if one.name in given}
        options = {name: value for name, value in options.items() if name not in axis_names() or callable(value)}
        return cls(point, **options).checked()

    def checked(self) -> Request:
        """The request itself. Raises `UsageError` where its parts do not go together."""
        Choice(tuple(CONVENTIONS), "a convention").parse("convention", self.convention)
        Choice(tuple(COUNTERS), "a counter").parse("counter", self.counter)
        for name in ("inputs", "loader"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise UsageError(
                    f"{name}={value!r} is a text. The name of a fixture is for @budget; here, give the value itself."
                )
        if self.loader is not None and self.inputs is not None:
            raise UsageError(
                "Both inputs= and loader= are given. Leave one out: the first batch of a loader is the input."
            )
        if self.loader is not None and not (
            callable(self.loader) or hasattr(self.loader, "__iter__") or hasattr(self.loader, "__getitem__")
        ):
            raise UsageError(
                f"loader={self.loader!r} is not a loader. Allowed: a DataLoader, any iterable of batches, or a "
                "callable that makes one."
            )
        if self.loss is not None and not callable(self.loss):
            raise UsageError(f"loss={self.loss!r} is not a loss. Allowed: a callable that gets the model's output.")
        if self.loss is not None:
            _check_loss(self.loss)
        if self.loss is not None and self.point.mode != "train":
            raise UsageError("loss= is for mode='train': in inference there is none.")
        if self.loss is not None and self.point.step is not None:
            raise UsageError("loss= is for a model whose forward returns no loss: step= returns the loss itself.")
        if self.tp_plan is not None:
            if not isinstance(self.tp_plan, Mapping):
                raise UsageError(f"tp_plan={self.tp_plan!r} is no mapping from layers to styles such as 'colwise'.")
            if "tp" not in dict(self.point.parallel or ()):
                raise UsageError("tp_plan= is for parallel= with tp: nothing else divides layers.")
        if self.counter == "fvcore" and self.point.called != "forward":
            raise UsageError(f"counter='fvcore' counts forward only, and here is {self.point.called}(). Leave out one.")
        if self.counter == "fvcore" and self.convention != "fvcore":
            raise UsageError("counter='fvcore' counts in the convention 'fvcore' only: one multiply-add is one FLOP.")
        if self.point.link is not None and (self.card is None or link_of(self.card, self.point.link) is None):
            raise UsageError(
                f"link={self.point.link!r} is for a named card that has it (device='H100'), whose time is predicted."
            )
        if self.counter == "fvcore" and self.card is not None:
            raise UsageError(
                "counter='fvcore' does not see what operators move, so it predicts no time. Leave out device=."
            )
        return self

    @property
    def card(self) -> Device | None:
        """The device whose speed is asked for, if any."""
        found = find_device(self.point.device) if self.point.device is not None else None
        return found if found is not None and found.has_speed else None

    @property
    def allocates(self) -> bool:
        """Whether the device asked for is a card, whose memory PyTorch's allocator takes in blocks."""
        return self.card is not None and self.card.is_card

    def at(self, point: OperatingPoint) -> Request:
        """The same at another operating point, counted only."""
        return replace(self, point=point, measured=False)


def _check_loss(loss: Callable[..., Any]) -> None:
    """Raise `UsageError` for a loss that cannot be called with the model's output alone."""
    try:
        signature = inspect.signature(getattr(loss, "forward", loss))  # a module's, which its call does not show
        signature.bind(None)
    except TypeError:
        name = name_of(loss)
        call = "criterion" if "<" in name else f"{name}()" if hasattr(loss, "forward") else name
        raise UsageError(
            f"loss= is called with the model's output alone, and {name} takes {signature}. Give it the rest in a "
            f"function of its own: loss=lambda output: {call}(output, targets)."
        ) from None
    except ValueError:
        pass  # a built-in that does not tell what it takes


def _options() -> tuple[Any, ...]:
    return tuple(one for one in fields(Request) if one.name != "point")


def argument_names() -> tuple[str, ...]:
    """The names of all arguments: the axes of the operating point, and the options beside it."""
    return tuple(dict.fromkeys((*point_arguments(), *(one.name for one in _options()))))


def without_unset(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that are given."""
    return {name: value for name, value in arguments.items() if value is not None}
