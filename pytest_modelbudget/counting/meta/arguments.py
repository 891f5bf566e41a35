"""The arguments of an operator call, moved to the device where the call can run without computing anything large.

A call with a meta tensor runs on the meta device, and its real tensors are replaced by meta ones. A call with real
tensors only runs on the CPU, unless one of them is large or a parameter. A call without tensors creates one: on the
CPU, unless it only allocates memory or asks for another device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from ..operators.registry import qualified_name
from .fills import Fills
from .layout import META
from .meta_copies import Copied, MetaCopies
from .missing_data import MissingData

SMALL = 1 << 16
"""The most elements of a tensor that keeps its data."""

_SMALL_INTEGERS = 1 << 22
"""The same for integers where small data is kept: the edges of a graph, a mask."""

_CPU = torch.device("cpu")

_ON_META = frozenset(
    f"aten::{name}"
    for name in [
        "empty", "empty_strided", "empty_permuted", "zeros", "ones", "full", "rand", "randn", "randint", "randperm",
        "normal", "eye", "tril_indices", "triu_indices", "bernoulli",
    ]
)  # fmt: skip
"""Operators whose new tensor is on the meta device. That of others, such as ``arange``, keeps its data."""

_FILLED = frozenset(f"aten::{name}" for name in ("zeros", "ones", "full", "rand", "randn", "randint", "randperm"))
_READ_LENGTHS = ("aten::_pack_padded_sequence", "aten::_pad_packed_sequence")
_INDEXED = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_unsafe_index")


class Arguments:
    """Prepares the arguments of the calls of one run. A call that needs data which is missing is added to ``missing``.

    With ``keep_small_data``, small tensors that are filled with one value or with random ones keep their data too, also
    where they are asked for on the meta device, and integers keep it up to a larger size; those filled at the lines
    ``overwritten`` do not. ``copied`` is called as by `MetaCopies`.
    """

    def __init__(
        self,
        missing: MissingData,
        *,
        keep_small_data: bool,
        overwritten: frozenset[str] = frozenset(),
        copied: Copied | None = None,
    ) -> None:
        self._missing = missing
        self._keep_small_data = keep_small_data
        self._copies = MetaCopies(copied)
        self._fills = Fills(overwritten)

    def prepare(self, operator: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The arguments with every tensor, and every device that is asked for, moved to where the call can run.

        Raises `NeedsData` where the operator would write meta values into a real tensor.
        """
        tensors = _tensors(args, kwargs)
        places = {t.is_meta for t in tensors}
        any_meta = True in places
        if any_meta and not kwargs and False not in places:
            return args, kwargs
        if not tensors:
            without_data = qualified_name(operator) in _ON_META
            if without_data and self._keep_small_data and _is_small_fill(operator, args):
                without_data = not self._fills.keeps_values()
            on_meta = without_data or not _is_host(kwargs.get("device"))
        else:
            on_meta = any_meta or any(not self._keeps_data(t) or isinstance(t, torch.nn.Parameter) for t in tensors)
        if on_meta:
            kwargs = _on_meta(kwargs)
        elif not _is_host(kwargs.get("device")):
            kwargs = {**kwargs, "device": META}
        elif self._keep_small_data:
            args = tuple([_CPU if isinstance(value, torch.device) else value for value in args])
            kwargs = {name: _CPU if isinstance(value, torch.device) else value for name, value in kwargs.items()}
        if not on_meta or False not in places:
            return args, kwargs
        name = qualified_name(operator)
        if _writes_into_real(operator, args):
            raise self._missing.add(name, overwrites=self._fills.line_of(args[0]))
        if name in _READ_LENGTHS:  # the lengths of sequences keep their data beside meta tensors
            return (self._to_meta(args[0]), *args[1:]), kwargs
        if name in _INDEXED:
            args = _masks_to_indices(args)
        return self._to_meta(args), {name: self._to_meta(value) for name, value in kwargs.items()}

    def made(self, operator: Any, result: Any) -> None:
        """Note the result of a call that was prepared, if it is a fill that keeps its values."""
        keeps = self._keep_small_data and isinstance(result, torch.Tensor) and not result.is_meta
        if keeps and qualified_name(operator) in _FILLED:
            self._fills.made(result)

    def _keeps_data(self, tensor: torch.Tensor) -> bool:
        return tensor.numel() <= SMALL or (self._keep_small_data and is_small(tensor.shape, tensor.dtype))

    def _to_meta(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self._copies.of(value)
        if isinstance(value, (list, tuple)):
            items = [self._to_meta(item) for item in value]
            if any(new is not old for new, old in zip(items, value, strict=True)):
                return type(value)(items)
        return value


def _tensors(args: Any, kwargs: dict[str, Any]) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    for value in (*args, *kwargs.values()):
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found.extend(item for item in value if isinstance(item, torch.Tensor))
    return found


def _is_host(device: Any) -> bool:
    """Whether calls can run on a device as it is: on the CPU, which is that of ``None``, or the meta device."""
    return device is None or torch.device(device).type in ("cpu", "meta")


def is_small(shape: Sequence[int], dtype: torch.dtype) -> bool:
    """Whether a tensor that is given, or made with known values, keeps its data where small ones do."""
    integers = not dtype.is_floating_point and not dtype.is_complex
    return math.prod(shape) <= (_SMALL_INTEGERS if integers else SMALL)


def _is_small_fill(operator: Any, args: Any) -> bool:
    if qualified_name(operator) not in _FILLED or not args:
        return False
    size: Sequence[int] = next((value for value in args if not isinstance(value, int)), args[-1:])
    return math.prod(size) <= SMALL  # the size stands after the bounds of randint; randperm has one number


def _on_meta(kwargs: dict[str, Any]) -> dict[str, Any]:
    changed = dict(kwargs)
    if changed.get("device") is not None:
        changed["device"] = META
    for name in ("generator", "pin_memory"):  # the meta device has neither
        if changed.get(name):
            changed[name] = None
    return changed


def _writes_into_real(operator: Any, args: Any) -> bool:
    """Whether a call changes a real tensor in place."""
    schema = getattr(operator, "_schema", None)
    if schema is None or not schema.is_mutable:
        return False
    return any(
        argument.alias_info is not None
        and argument.alias_info.is_write
        and isinstance(value, torch.Tensor)
        and not value.is_meta
        for argument, value in zip(schema.arguments, args, strict=False)
    )


def _masks_to_indices(args: Any) -> Any:
    """The arguments of indexing with real masks replaced by the indices of their elements, which tell the size."""
    indices: list[Any] = []
    for index in args[1]:
        if isinstance(index, torch.Tensor) and not index.is_meta and index.dtype in (torch.bool, torch.uint8):
            indices.extend(index.nonzero().unbind(1))
        else:
            indices.append(index)
    return (args[0], indices, *args[2:])
