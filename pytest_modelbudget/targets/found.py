"""What a TARGET comes to: what builds the model, how a test names it, what it is usually given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..values.frozen import freeze
from ..values.input_tensor import InputTensor
from ..values.point import axis_names


@dataclass(frozen=True)
class FoundTarget:
    """A model, or what builds it, and what it is given where nobody says that.

    ``sizes`` are sizes by the names of their axes, such as ``{"res": 224}``. ``inputs`` is a form of ``inputs=`` at any
    sizes; where no size is known, a model's own example goes before it. ``args`` are those it is built with. ``code``
    is how a test names the factory. ``again`` finds it in another process, where it is of no use itself.
    """

    model: Any
    code: str = ""
    sizes: Mapping[str, Any] = field(default_factory=dict)
    inputs: Any = None
    args: Mapping[str, Any] = field(default_factory=dict)
    again: Callable[[], FoundTarget] | None = None

    def __post_init__(self) -> None:
        """Nothing in it changes."""
        freeze(self, "sizes", "args")

    def usual(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a measurement that are added to those ``given``, for what these leave open."""
        said = {name for name, value in given.items() if value is not None}
        if said & {"inputs", "loader"}:
            return {}
        sizes = {name: value for name, value in self.sizes.items() if name not in said}
        if (said & {*axis_names(ordered=True), "dims"}) - {*self.sizes, "batch"}:
            sizes = {}
        sized = (said | set(sizes)) & {*axis_names(ordered=True), "dims"}
        return {
            **sizes,
            **({"inputs": self.inputs} if sized and self.inputs is not None and "method" not in said else {}),
        }

    @property
    def dimensions(self) -> frozenset[str]:
        """The dimensions that its inputs have by name; those of a picture or of token ids where it does not say."""
        return frozenset(_names(self.inputs))


def _names(inputs: Any) -> set[str]:
    if isinstance(inputs, InputTensor):
        return {size for size in inputs.sizes if isinstance(size, str)}
    several = inputs.values() if isinstance(inputs, Mapping) else inputs if isinstance(inputs, (list, tuple)) else ()
    return {name for one in several for name in _names(one)}
