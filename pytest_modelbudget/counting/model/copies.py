"""Copies of what a user gave as inputs: every value once, with other tensors in place of the user's own."""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Collection, Iterable
from types import BuiltinFunctionType, FunctionType, GeneratorType, ModuleType
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence

from ...errors import BudgetError, UsageError
from ...values.input_tensor import InputTensor
from ..meta.execution import has_own_dispatch
from ..meta.missing_data import NeedsData
from ..recording.tensors import tensors_in
from .shapes import Shape, is_shape

_CONSTANTS = frozenset({
    type(None), bool, int, float, complex, str, bytes, FunctionType, BuiltinFunctionType, ModuleType,
    torch.dtype, torch.device, torch.layout, torch.memory_format,
})  # fmt: skip


class Copier:
    """Copies values deeply, so that a model writes into the copies.

    ``tensor`` returns what takes the place of a tensor, ``new`` of a shape or an `InputTensor`. What occurs twice is
    copied once, but for shapes: Python makes one constant of equal tuples. Shapes, which name one of ``dimensions``,
    are read in dictionaries, lists and tuples, not in the attributes of objects. The values in ``same`` stay as they
    are, such as modules of the model.
    """

    def __init__(
        self,
        tensor: Callable[[torch.Tensor], torch.Tensor],
        new: Callable[[Shape | InputTensor], Any],
        same: Iterable[Any] = (),
        dimensions: Collection[str] = (),
    ) -> None:
        self._dimensions = dimensions
        self._tensor = tensor
        self._new = new
        self._done: dict[int, tuple[Any, Any]] = {id(value): (value, value) for value in same}

    def copy(self, value: Any, *, shapes: bool = True) -> Any:
        """A copy of ``value``; with ``shapes``, a shape is one where it is not in an object.

        Raises `UsageError` for a generator, and for an object that holds tensors and cannot be copied; `NeedsData` for
        one that reads values while it is made.
        """
        kind = type(value)
        if kind in _CONSTANTS or isinstance(value, type):
            return value
        known = self._done.get(id(value))
        if known is not None:
            return known[1]
        if shapes and is_shape(value, self._dimensions):
            return self._new(value)
        if isinstance(value, torch.Tensor):
            return self._copied_tensor(value)
        if kind is InputTensor:
            return self._once(value, self._new(value))
        if kind is list:
            items = self._once(value, [])
            items.extend(self.copy(item, shapes=shapes) for item in value)
            return items
        if kind is dict:
            pairs = self._once(value, {})
            for key, item in value.items():
                pairs[self.copy(key, shapes=False)] = self.copy(item, shapes=shapes)
            return pairs
        if kind is tuple:
            return self._tuple(value, shapes)
        return self._object(value, shapes)

    def _once(self, value: Any, new: Any) -> Any:
        self._done[id(value)] = (value, new)  # with the value, so that no other gets its id
        return new

    def _copied_tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        new: torch.Tensor = self._once(tensor, self._tensor(tensor))
        if new is not tensor and type(new) is type(tensor) and not has_own_dispatch((type(tensor),)):
            for name, value in getattr(tensor, "__dict__", {}).items():
                setattr(new, name, self.copy(value, shapes=False))
        return new

    def _tuple(self, value: tuple[Any, ...], shapes: bool) -> tuple[Any, ...]:
        items = tuple([self.copy(item, shapes=shapes) for item in value])
        if id(value) in self._done:  # it holds itself, in a list
            return self._done[id(value)][1]  # type: ignore[no-any-return]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else self._once(value, items)

    def _object(self, value: Any, shapes: bool) -> Any:
        """A copy of an object in the way that its class defines for ``pickle`` and ``copy``."""
        kind = type(value)
        if kind is object:  # it has no content, and is what it is by its identity
            return value
        if isinstance(value, PackedSequence):
            return self._once(value, self._packed_sequence(value))
        if kind is torch.Generator:
            return self._once(value, value.clone_state())
        if kind is GeneratorType:
            raise UsageError(
                "inputs= holds a generator, which gives its values once, and a model may be run several times. "
                "Give a list."
            )
        reduce = copyreg.dispatch_table.get(kind)
        try:
            reduced = reduce(value) if reduce is not None else value.__reduce_ex__(4)
        except Exception as error:  # a class may refuse in any way
            if next(tensors_in(value), None) is None:
                return value
            raise UsageError(
                f"inputs= holds a value of type {kind.__name__}, which has tensors and cannot be copied: "
                f"{type(error).__name__}: {error}. Pass its tensors, or let its class define __reduce__."
            ) from error
        if isinstance(reduced, str):  # the name of a global
            return value
        shapes = shapes and (isinstance(value, (list, dict)) or hasattr(kind, "_fields"))
        try:
            return self._rebuilt(value, shapes, *reduced)
        except (BudgetError, NeedsData):
            raise
        except Exception as error:
            if any(isinstance(new, torch.Tensor) and new.is_meta for _, new in self._done.values()):
                raise NeedsData(
                    f"{kind.__name__} of inputs="
                ) from error  # a real run tells whether it is the meta device
            raise UsageError(
                f"inputs= holds a value of type {kind.__name__}, which cannot be made again of its parts: "
                f"{type(error).__name__}: {error}. Pass its tensors, or let its class define __reduce__."
            ) from error

    def _rebuilt(
        self,
        value: Any,
        shapes: bool,
        make: Callable[..., Any],
        arguments: tuple[Any, ...],
        state: Any = None,
        items: Any = None,
        pairs: Any = None,
        set_state: Callable[[Any, Any], None] | None = None,
    ) -> Any:
        """What ``__reduce_ex__`` returned, made again of copies."""
        new = self._once(value, make(*[self.copy(argument, shapes=shapes) for argument in arguments]))
        if state is not None:
            state = self.copy(state, shapes=False)
            if set_state is not None:
                set_state(new, state)
            elif hasattr(new, "__setstate__"):
                new.__setstate__(state)
            else:
                attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
                if attributes:
                    vars(new).update(attributes)
                for name, item in (slots or {}).items():
                    setattr(new, name, item)
        for item in items or ():
            new.append(self.copy(item, shapes=shapes))
        for key, item in pairs or ():
            new[self.copy(key, shapes=False)] = self.copy(item, shapes=shapes)
        return new

    def _packed_sequence(self, value: PackedSequence) -> PackedSequence:
        """Its ``batch_sizes`` are the same: they are on the CPU wherever the sequence is, and PyTorch insists on it."""
        data, sorted_indices, unsorted_indices = (
            self.copy(part) for part in (value.data, value.sorted_indices, value.unsorted_indices)
        )
        return type(value)(data, value.batch_sizes, sorted_indices, unsorted_indices)


def same_tensors(value: Any, same: Iterable[Any] = ()) -> Any:
    """A copy of ``value`` with the same tensors in it, for a model that writes into what it is given."""
    return Copier(lambda tensor: tensor, lambda placeholder: placeholder, same).copy(value, shapes=False)
