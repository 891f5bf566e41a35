"""What every operator call computes and moves, recorded while a model is counted: the work a roofline is drawn over.

Bytes are what a kernel must move at the least: each tensor it is given is read once, each it makes is written once, a
view moves nothing, and what is written in place is read, too, unless it is only overwritten. Caches, fusion and what
the layout of memory costs are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch.nn.parameter import is_lazy

from ...values.throughput import Work
from ..operators.count import Count
from .ledger import dense_parts


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


_RECURRENT = _names("lstm gru rnn_tanh rnn_relu _cudnn_rnn _cudnn_rnn_backward")

_TENSOR_FLOAT = _RECURRENT | _names("""
    convolution _convolution _convolution_mode conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
    convolution_backward convolution_overrideable convolution_backward_overrideable cudnn_convolution
    cudnn_convolution_transpose cudnn_convolution_relu cudnn_convolution_add_relu
""")
"""What runs in cuDNN, where PyTorch lets float32 be rounded to TF32; it does not in matrix products."""

_MAKES_ROOM = _names("""
    empty empty_like empty_strided empty_permuted empty_quantized new_empty new_empty_strided resize_ resize_as_
""")

_OVERWRITES = _names("""
    copy_ fill_ zero_ normal_ uniform_ bernoulli_ random_ exponential_ log_normal_ cauchy_ geometric_ _foreach_copy_
    _foreach_zero_
""")

_GATHERS = _names("embedding index _unsafe_index index_select gather take take_along_dim masked_select")
"""Of their first argument they read as much as they return."""

_BAGS = _names("embedding_bag _embedding_bag _embedding_bag_forward_only")
"""Of their first argument they read a row for each index."""

_SCATTERS = _names("""
    index_put_ _index_put_impl_ index_copy_ index_add_ index_reduce_ scatter_ scatter_add_ scatter_reduce_ put_
""")
"""They change as much of their first argument as the others hold."""


class Calls:
    """The calls of one run, equal ones together."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, str, str, int, int, int]] = Counter()
        self._signatures: dict[Any, _Signature] = {}

    def saw(self, operator: Any, module: str, args: Any, kwargs: dict[str, Any], out: Any, count: Count | None) -> None:
        """One call, after it ran; ``count`` is what it computes, if anything. A view is no work."""
        signature = self._signatures.get(operator)
        if signature is None:
            signature = self._signatures[operator] = _Signature.of(operator)
        moved = _moved(signature, args, kwargs, out)
        if moved is None:
            return
        flops = count.torch if count is not None else 0
        launches = _steps(args, kwargs, signature) if signature.name in _RECURRENT else 1
        dtype = _dtype((args, tuple(kwargs.values())), out, signature.name)
        self._seen[module, signature.name, dtype, flops, moved, launches] += 1

    def whole(self, name: str, module: str, input: torch.Tensor, out: torch.Tensor) -> None:
        """A function that counts as one operator."""
        self._seen[module, name, _dtype(input, out, name), 0, _size(input) + _size(out), 1] += 1

    def work(self) -> tuple[Work, ...]:
        """What was done, in the order of the first of equal calls."""
        return tuple(Work(*key, calls=calls) for key, calls in self._seen.items())


class _Signature(NamedTuple):
    """What a schema says of an operator: what it changes, fills, and whether it reads or moves anything."""

    name: str
    names: tuple[str, ...]
    changed: frozenset[str]
    filled: frozenset[str]
    reads: bool
    idle: bool

    @classmethod
    def of(cls, operator: Any) -> _Signature:
        schema = getattr(operator, "_schema", None)
        if schema is None:  # a higher-order operator
            name = str(operator.name())
            return cls(name, (), frozenset(), frozenset(), True, False)
        name = str(schema.name).removeprefix("aten::")
        written = [a for a in schema.arguments if a.alias_info is not None and a.alias_info.is_write]
        filled = frozenset(a.name for a in written if a.is_out or name in _OVERWRITES)
        idle = name in _MAKES_ROOM or torch.Tag.inplace_view in operator.tags
        names = tuple(a.name for a in schema.arguments)
        reads = not name.endswith("_like") and not name.startswith("new_")  # of what it is like, only the size
        return cls(name, names, frozenset(a.name for a in written) - filled, filled, reads, idle)


def _moved(signature: _Signature, args: Any, kwargs: dict[str, Any], out: Any) -> int | None:
    """Bytes read and written by one call; ``None`` for one that makes nothing new, such as a view."""
    if signature.idle:
        return None
    given = [*zip((*signature.names, *[""] * len(args)), args, strict=False), *kwargs.items()]
    reads: dict[Any, int] = {}
    known: set[int] = set()
    written = 0
    changes = False
    for name, value in given:
        for tensor in _tensors(value):
            size = _size(tensor)
            known.update(part.untyped_storage()._cdata for part in dense_parts(tensor))
            if name in signature.changed or name in signature.filled:
                changes = True
                written += size
            if signature.reads and name not in signature.filled:
                reads[_identity(tensor)] = size
    made = {
        _identity(t): t
        for t in _tensors(out)
        if not any(part.untyped_storage()._cdata in known for part in dense_parts(t))
    }
    if not made and not changes:
        return None
    new = sum(map(_size, made.values()))
    first = next((tensor for _, value in given for tensor in _tensors(value)), None)
    if first is not None:
        mine = _size(first)
        if signature.name in _GATHERS:
            reads[_identity(first)] = min(mine, new)
        elif signature.name in _BAGS:
            reads[_identity(first)] = min(mine, args[1].numel() * first.shape[1] * first.element_size())
        elif signature.name in _SCATTERS:
            part = min(mine, sum(size for key, size in reads.items() if key != _identity(first)))
            reads[_identity(first)], written = part, part
    return sum(reads.values()) + written + new


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        if not is_lazy(value):  # which has no size yet
            yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)


def _size(tensor: torch.Tensor) -> int:
    """Bytes of a tensor's distinct elements: an expanded dimension is one."""
    if tensor.is_nested:
        return tensor.numel() * tensor.element_size()
    parts = dense_parts(tensor)
    if not parts:
        return tensor.numel() * tensor.element_size()
    total = 0
    for part in parts:
        elements = 1
        for size, stride in zip(part.shape, part.stride(), strict=True):
            elements *= size if stride or not size else 1
        total += elements * part.element_size()
    return total


def _identity(tensor: torch.Tensor) -> Any:
    """The same for two tensors over the same elements of one storage."""
    if tensor.layout is not torch.strided or tensor.is_nested:
        return id(tensor)
    return (tensor.untyped_storage()._cdata, tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype)


def _dtype(given: Any, out: Any, name: str) -> str:
    """What a call computes in: the dtype of its first floating tensor, for a complex one that of its parts."""
    tensors = [*_tensors(given), *_tensors(out)]
    found = next((t.dtype for t in tensors if t.is_floating_point() or t.is_complex()), None)
    if found is None:
        found = tensors[0].dtype if tensors else torch.get_default_dtype()
    if found.is_complex:
        found = found.to_real()
    return "tf32" if found is torch.float32 and name in _TENSOR_FLOAT else str(found).removeprefix("torch.")


def _steps(args: Any, kwargs: dict[str, Any], signature: _Signature) -> int:
    """Kernels that must follow one another in a recurrent layer: one for each time step, layer and direction."""
    given = {**dict(zip(signature.names, args, strict=False)), **kwargs}
    if "batch_sizes" in given:
        steps = int(given["batch_sizes"].numel())
    elif "input" in given and "num_layers" in given:
        steps = int(given["input"].shape[1 if given.get("batch_first") else 0])
    else:
        return 1
    return max(1, steps) * int(given.get("num_layers", 1)) * (2 if given.get("bidirectional") else 1)
