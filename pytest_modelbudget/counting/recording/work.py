"""The recorder of work: what every operator call computes and moves, from which a roofline predicts its time.

Bytes are the least that a kernel must move. It reads each of its arguments once and writes each of its results once; a
view moves nothing; a tensor that is changed in place is read as well, unless it is only overwritten. Caches, fusion and
the cost of a memory layout are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch.nn.parameter import is_lazy

from ...values.work import Products, Work
from ..operators.count import Count
from .products import products_of
from .tensors import PLAIN, dense_parts, storages_of


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


_RECURRENT = _names("lstm gru rnn_tanh rnn_relu _cudnn_rnn _cudnn_rnn_backward")

_LOOPING = _names("upsample_linear1d upsample_bilinear2d upsample_bicubic2d upsample_trilinear3d")
"""Operators whose kernels have a thread for each position of an image, which goes through all samples and channels."""

_TENSOR_FLOAT = _RECURRENT | _names("""
    convolution _convolution _convolution_mode conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
    convolution_backward convolution_overrideable convolution_backward_overrideable cudnn_convolution
    cudnn_convolution_transpose cudnn_convolution_relu cudnn_convolution_add_relu
""")
"""Operators of cuDNN, in which PyTorch lets float32 be rounded to TF32. In matrix products it does not."""

_ALLOCATES = _names("""
    empty empty_like empty_strided empty_permuted empty_quantized new_empty new_empty_strided resize_ resize_as_
""")
"""Operators that allocate memory and write nothing."""

_OVERWRITES = _names("""
    copy_ fill_ zero_ normal_ uniform_ bernoulli_ random_ exponential_ log_normal_ cauchy_ geometric_ _foreach_copy_
    _foreach_zero_
""")
"""Operators that write all of the tensor that they change, and read none of it."""

_GATHERS = _names("embedding index _unsafe_index index_select gather take take_along_dim masked_select")
"""Operators that read as much of their first argument as they return."""

_BAGS = _names("embedding_bag _embedding_bag _embedding_bag_forward_only")
"""Operators that read a row of their first argument for each index."""

_SCATTERS = _names("""
    index_put_ _index_put_impl_ index_copy_ index_add_ index_reduce_ scatter_ scatter_add_ scatter_reduce_ put_
""")
"""Operators that change as much of their first argument as their other arguments hold."""


class WorkRecorder:
    """Records the operator calls of one run, and how often each one occurs. What is recorded counts ``times``."""

    def __init__(self) -> None:
        self.times = 1
        self._calls: Counter[tuple[str, str, str, int, int, int, Products | None, bool, int]] = Counter()
        self._signatures: dict[Any, _Signature] = {}
        self._done: dict[Any, _Done | None] = {}  # of calls that are alike

    def record(
        self, operator: Any, module: str, args: Any, kwargs: dict[str, Any], out: Any, count: Count | None
    ) -> None:
        """Record a call that ran; ``count`` is its cost, if it has one. A view is no work."""
        flops = 2 * count.macs if count is not None else 0  # none that FlopCounterMode only counts
        key = _key(operator, args, kwargs, out, bool(flops))
        done = self._done.get(key, _NEW) if key is not None else _NEW
        if done is _NEW:
            done = self._work_of(operator, args, kwargs, out, flops)
            if key is not None:
                self._done[key] = done
        if done is not None:
            call = (module, done.operator, done.dtype, flops, *done[2:])
            self._calls[call] += self.times

    def _work_of(self, operator: Any, args: Any, kwargs: dict[str, Any], out: Any, flops: int) -> _Done | None:
        """What a call does beside its ``flops``; ``None`` for a view."""
        signature = self._signatures.get(operator)
        if signature is None:
            signature = self._signatures[operator] = _Signature.of(operator)
        moved = _moved(signature, args, kwargs, out)
        if moved is None:
            return None
        launches = _launches(args, kwargs, signature) if signature.name in _RECURRENT else 1
        dtype = _dtype((args, tuple(kwargs.values())), out, signature.name)
        shape = (
            products_of(signature.name, dict(zip(signature.names, args, strict=False)) | kwargs, out) if flops else None
        )
        reorders = not flops and _reorders(args, out)
        loops = _loops(out) if signature.name in _LOOPING else 0
        return _Done(signature.name, dtype, moved, launches, shape, reorders, loops)

    def record_unfused_attention(
        self, module: str, args: Any, kwargs: dict[str, Any], out: torch.Tensor, count: Count | None
    ) -> None:
        """Record attention that no fused kernel takes by its parts: scores are written and read, halves in float32.

        As ``_scaled_dot_product_attention_math`` of aten/src/ATen/native/transformers/attention.cpp does it.
        """
        given = {**dict(zip(("query", "key", "value", "attn_mask"), args, strict=False)), **kwargs}
        query, key, value = given["query"], given["key"], given["value"]
        (rows, depth), columns = query.shape[-2:], key.shape[-2]
        groups = query.numel() // max(1, rows * depth)
        scores = groups * rows * columns
        half = query.dtype in (torch.float16, torch.bfloat16)
        size = 4 if half else query.element_size()
        dtype = "float32" if half else str(query.dtype).removeprefix("torch.")
        flops = count.macs if count is not None else 0  # of each of the two products
        parts = [
            *(
                [("to", 0, (query.element_size() + size) * t.numel(), None) for t in (query, key, value)]
                if half
                else ()
            ),
            *(("mul", 0, 2 * size * t.numel(), None) for t in (query, key)),
            ("bmm", flops, size * (query.numel() + key.numel() + scores), Products(groups, rows, columns, depth)),
            *([("add", 0, 2 * size * scores, None)] if given.get("attn_mask") is not None else ()),
            ("softmax", 0, 2 * size * scores, None),
            ("bmm", flops, size * (scores + value.numel() + out.numel()), Products(groups, rows, depth, columns)),
        ]
        for name, done, moved, shape in parts:
            self._calls[module, name, dtype, done, moved, 1, shape, False, 0] += self.times

    def record_function(self, name: str, module: str, input: torch.Tensor, out: torch.Tensor) -> None:
        """Record the call of a function that counts as one operator."""
        moved = _size(input) + _size(out)
        self._calls[module, name, _dtype(input, out, name), 0, moved, 1, None, False, 0] += self.times

    def clear(self) -> None:
        """Begin again with nothing."""
        self._calls.clear()

    def work(self) -> tuple[Work, ...]:
        """All calls, equal ones together, in the order of the first of them."""
        return tuple(Work(*key[:6], calls, *key[6:]) for key, calls in self._calls.items())


class _Done(NamedTuple):
    """What a call does: as `Work` has it, without the module, the FLOPs and the number of calls."""

    operator: str
    dtype: str
    bytes: int
    launches: int
    shape: Products | None
    reorders: bool
    loops: int


_NEW: Any = object()


def _key(operator: Any, args: Any, kwargs: dict[str, Any], out: Any, counts: bool) -> Any:
    """What calls have in common that do the same; ``None`` where tensors are not plain ones, or arguments are objects.

    Which of the tensors share memory belongs to it.
    """
    storages: dict[int, int] = {}

    def part(value: Any) -> Any:
        kind = type(value)
        if kind in PLAIN:
            if value.layout is not torch.strided or value.is_nested:
                raise _NotPlain
            place = storages.setdefault(value.untyped_storage()._cdata, len(storages))
            return (value.shape, value.stride(), value.dtype, value.storage_offset(), place)
        if kind is tuple or kind is list:
            return tuple([part(item) for item in value])
        if value is None or isinstance(value, _CONSTANTS):
            return value
        raise _NotPlain  # what is kept would live until the end of the count

    try:
        return (operator, counts, part(args), part(tuple(kwargs.items())), part(out))
    except _NotPlain:
        return None


_CONSTANTS = (bool, int, float, complex, str, torch.dtype, torch.device, torch.layout, torch.memory_format)


class _NotPlain(Exception):
    """A tensor is sparse or nested, or of a class of its own, or an argument is an object."""


class _Signature(NamedTuple):
    """What the schema says of an operator.

    ``names`` are its arguments; ``changed`` those that it changes in place and reads, ``overwritten`` those that it
    only writes. ``reads`` is false where only the size of the arguments matters, ``idle`` true where nothing is moved.
    """

    name: str
    names: tuple[str, ...]
    changed: frozenset[str]
    overwritten: frozenset[str]
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
        overwritten = frozenset(a.name for a in written if a.is_out or name in _OVERWRITES)
        idle = name in _ALLOCATES or torch.Tag.inplace_view in operator.tags
        names = tuple(a.name for a in schema.arguments)
        reads = not name.endswith("_like") and not name.startswith("new_")
        return cls(name, names, frozenset(a.name for a in written) - overwritten, overwritten, reads, idle)


def _moved(signature: _Signature, args: Any, kwargs: dict[str, Any], out: Any) -> int | None:
    """The bytes that one call reads and writes; ``None`` if it writes nothing, as a view."""
    if signature.idle:
        return None
    reads: dict[Any, int] = {}
    known: set[int] = set()
    written = 0
    changes = False
    first = None
    for name, value in (*zip((*signature.names, *[""] * len(args)), args, strict=False), *kwargs.items()):
        for tensor in _tensors(value):
            if first is None:
                first = tensor
            size = _size(tensor)
            known |= _storages(tensor)
            if name in signature.changed or name in signature.overwritten:
                changes = True
                written += size
            if signature.reads and name not in signature.overwritten:
                reads[_identity(tensor)] = size
    made = {_identity(t): t for t in _tensors(out) if known.isdisjoint(_storages(t))}
    if not made and not changes:
        return None
    new = sum(map(_size, made.values()))
    if first is not None:
        own = _size(first)
        if signature.name in _GATHERS:
            reads[_identity(first)] = min(own, new)
        elif signature.name in _BAGS:
            reads[_identity(first)] = min(own, args[1].numel() * first.shape[1] * first.element_size())
        elif signature.name in _SCATTERS:
            part = min(own, sum(size for key, size in reads.items() if key != _identity(first)))
            reads[_identity(first)], written = part, part
    return sum(reads.values()) + written + new


def _storages(tensor: torch.Tensor) -> set[int]:
    return {storage._cdata for storage in storages_of(tensor)}


def _reorders(args: Any, out: Any) -> bool:
    """Whether a tensor of the size of the result is read in another order in memory than the result is written."""
    if isinstance(out, (tuple, list)) and out:
        out = out[0]
    if not isinstance(out, torch.Tensor) or out.layout is not torch.strided or out.is_nested or out.dim() < 2:
        return False
    shape, order = out.shape, None
    for arg in args:
        if isinstance(arg, torch.Tensor) and arg.shape == shape and arg.layout is torch.strided and not arg.is_nested:
            if arg.stride() == out.stride():
                continue
            order = order or _order(out)
            if _order(arg) != order:
                return True
    return False


def _order(tensor: torch.Tensor) -> list[int]:
    """The dimensions of more than one element, from the fastest in memory; those that are expanded are left out."""
    found = [
        (step, i) for i, (size, step) in enumerate(zip(tensor.shape, tensor.stride(), strict=True)) if size > 1 and step
    ]
    return [i for _, i in sorted(found)]


def _tensors(value: Any) -> Iterable[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return () if is_lazy(value) else (value,)  # a lazy parameter has no size yet
    if isinstance(value, (list, tuple)):
        return chain.from_iterable(map(_tensors, value))
    return ()


def _size(tensor: torch.Tensor) -> int:
    """The bytes of the distinct elements of a tensor: an expanded dimension counts as one."""
    if tensor.is_nested:
        return tensor.numel() * tensor.element_size()
    if tensor.layout is torch.strided and type(tensor) in PLAIN and tensor.is_contiguous():
        return tensor.nbytes
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
    """A value that is equal for two tensors over the same elements of one storage."""
    if tensor.layout is not torch.strided or tensor.is_nested:
        return id(tensor)
    return (tensor.untyped_storage()._cdata, tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype)


def _dtype(given: Any, out: Any, name: str) -> str:
    """The dtype that a call computes in: that of its first floating tensor, or of the parts of a complex one."""
    first = None
    for tensor in _tensors((given, out)):
        first = first or tensor.dtype
        if tensor.is_floating_point() or tensor.is_complex():
            found = tensor.dtype
            break
    else:
        found = first or torch.get_default_dtype()
    if found.is_complex:
        found = found.to_real()
    return "tf32" if found is torch.float32 and name in _TENSOR_FLOAT else str(found).removeprefix("torch.")


def _loops(out: torch.Tensor) -> int:
    """The samples and channels of an image in the default memory format; kernels for channels_last do not loop."""
    return out.shape[0] * out.shape[1] if out.is_contiguous() else 0


def _launches(args: Any, kwargs: dict[str, Any], signature: _Signature) -> int:
    """The kernels that follow one another in a recurrent layer: one for each time step, layer and direction."""
    given = {**dict(zip(signature.names, args, strict=False)), **kwargs}
    if "batch_sizes" in given:
        steps = int(given["batch_sizes"].numel())
    elif "input" in given and "num_layers" in given:
        steps = int(given["input"].shape[1 if given.get("batch_first") else 0])
    else:
        return 1
    return max(1, steps) * int(given.get("num_layers", 1)) * (2 if given.get("bidirectional") else 1)
