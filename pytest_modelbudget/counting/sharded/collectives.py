"""Collectives: what each call returns on the meta device, and the bytes that it moves.

Bytes sent are those of ring algorithms, by which NCCL's ``doc/PERFORMANCE.md`` (nccl-tests) derives its bus
bandwidth: of ``n`` ranks and a tensor of ``S`` bytes, a rank sends ``S (n - 1) / n`` in an all-gather or a
reduce-scatter, and twice that in an all-reduce, which is one after the other. A broadcast or reduce passes the whole
tensor on from rank to rank, so all but the last of the ring send ``S``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch

from ...values.communication import Sent
from ..meta.output_rules.registry import OUTPUT_RULES
from ..pytorch.distributed import AsyncCollectiveTensor, group_of, work_of_future


class Collective(NamedTuple):
    """A collective operator: its ``kind``, and among its arguments the positions of the ``whole`` that is moved and of
    its ``group``. ``root`` is that of the root rank. Where the argument is only this rank's ``part``, the whole is as
    often that as there are ranks."""

    kind: str
    whole: int
    group: int
    root: int = -1
    part: bool = False


_C10D = {
    "_allgather_base_": Collective("all_gather", 0, 2),
    "allgather_": Collective("all_gather", 0, 2),
    "allgather_coalesced_": Collective("all_gather", 0, 2),
    "allgather_into_tensor_coalesced_": Collective("all_gather", 0, 2),
    "_reduce_scatter_base_": Collective("reduce_scatter", 1, 2),
    "reduce_scatter_": Collective("reduce_scatter", 1, 2),
    "reduce_scatter_tensor_coalesced_": Collective("reduce_scatter", 1, 2),
    "allreduce_": Collective("all_reduce", 0, 1),
    "allreduce_coalesced_": Collective("all_reduce", 0, 1),
    "alltoall_": Collective("all_to_all", 1, 2),
    "alltoall_base_": Collective("all_to_all", 1, 2),
    "broadcast_": Collective("broadcast", 0, 1, 2),
    "reduce_": Collective("reduce", 0, 1, 3),
    "gather_": Collective("gather", 1, 2, 3, part=True),
    "scatter_": Collective("scatter", 0, 2, 3, part=True),
    "send": Collective("send", 0, 1),
    "recv_": Collective("recv", 0, 1),
    "recv_any_source_": Collective("recv", 0, 1),
    "barrier": Collective("barrier", 0, 1),
}
"""Operators that write into the tensors they are given, by their names in ``torch.ops.c10d``."""

_RETURNS_TENSORS = ("_allgather_base_", "allgather_", "_reduce_scatter_base_", "reduce_scatter_", "allreduce_",
                    "alltoall_", "broadcast_", "scatter_")  # fmt: skip
"""Those of them that return what they wrote into, their first argument, beside the handle to wait for."""

_FUNCTIONAL = {
    "all_gather_into_tensor": Collective("all_gather", 0, 2, part=True),
    "all_gather_into_tensor_out": Collective("all_gather", 0, 2, part=True),
    "all_gather_into_tensor_coalesced": Collective("all_gather", 0, 2, part=True),
    "reduce_scatter_tensor": Collective("reduce_scatter", 0, 3),
    "reduce_scatter_tensor_out": Collective("reduce_scatter", 0, 3),
    "reduce_scatter_tensor_coalesced": Collective("reduce_scatter", 0, 3),
    "all_reduce": Collective("all_reduce", 0, 2),
    "all_reduce_": Collective("all_reduce", 0, 2),
    "all_reduce_coalesced": Collective("all_reduce", 0, 2),
    "all_reduce_coalesced_": Collective("all_reduce", 0, 2),
    "all_to_all_single": Collective("all_to_all", 0, 3),
    "broadcast": Collective("broadcast", 0, 2, 1),
    "broadcast_": Collective("broadcast", 0, 2, 1),
    "isend": Collective("send", 0, 3),
    "irecv": Collective("recv", 0, 3),
}
"""Operators that return new tensors, by their names in ``torch.ops._c10d_functional``."""

COLLECTIVES: dict[Any, Collective] = {}
"""Every collective that this PyTorch has."""


def sent(collective: Collective, args: Any) -> Sent:
    """What one call moves: its payload, and the bytes of it that this rank sends."""
    group = group_of(args[collective.group])
    size, rank = int(group.size()), int(group.rank())
    whole = _bytes(args[collective.whole])
    if collective.part:
        whole *= size
    root = int(args[collective.root]) if collective.root >= 0 else 0
    return Sent(collective.kind, size, whole, _RINGS[collective.kind](whole, size, (rank - root) % size, args))


def _part(whole: int, size: int, place: int, args: Any) -> int:
    """All but one of ``size`` equal parts."""
    return -(-whole * (size - 1) // size)


def _exchanged(whole: int, size: int, place: int, args: Any) -> int:
    """All but what a rank keeps: parts of the sizes in ``args``, the last list of them, or equal ones."""
    lists = [arg for arg in args if isinstance(arg, (list, tuple)) and arg]
    tensors = bool(lists) and isinstance(lists[-1][0], torch.Tensor)
    parts = [_bytes(part) if tensors else part for part in lists[-1]] if lists else [1] * size
    return -(-whole * (sum(parts) - parts[place]) // sum(parts)) if sum(parts) else 0


def _passed_on(whole: int, size: int, place: int, args: Any) -> int:
    """The whole, by all but the last of the ring that begins at the root."""
    return whole if place < size - 1 else 0


_RINGS: dict[str, Callable[[int, int, int, Any], int]] = {
    "all_gather": _part,
    "reduce_scatter": _part,
    "all_reduce": lambda whole, size, place, args: -(-2 * whole * (size - 1) // size),
    "all_to_all": _exchanged,
    "broadcast": _passed_on,
    "reduce": lambda whole, size, place, args: whole if size > 1 and place else 0,
    "gather": lambda whole, size, place, args: whole // size if place else 0,
    "scatter": lambda whole, size, place, args: 0 if place else _part(whole, size, place, args),
    "send": lambda whole, size, place, args: whole,
    "recv": lambda whole, size, place, args: 0,
    "barrier": lambda whole, size, place, args: 0,
}


def _bytes(value: Any) -> int:
    """The bytes of the tensors in a value."""
    return sum(tensor.numel() * tensor.element_size() for tensor in _tensors(value))


def _done(written: Any) -> Any:
    """The handle of a call that has been done, as operators return it; ``written`` is what it wrote into."""
    future: torch.futures.Future[Any] = torch.futures.Future()
    future.set_result(list(_tensors(written)))
    return work_of_future(future).boxed()


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)


def _register() -> None:
    for name, collective in _C10D.items():
        operator = _operator(torch.ops.c10d, name)
        if operator is None:
            continue
        COLLECTIVES[operator] = collective
        if name in _RETURNS_TENSORS:
            OUTPUT_RULES[operator] = lambda *args, **kwargs: (args[0], _done(args[0]))
        else:
            OUTPUT_RULES[operator] = lambda *args, **kwargs: _done(args[0])
    for name, collective in _FUNCTIONAL.items():
        operator = _operator(torch.ops._c10d_functional, name)
        if operator is not None:
            COLLECTIVES[operator] = collective
    operator = _operator(torch.ops._c10d_functional, "_wrap_tensor_autograd")
    if operator is not None:  # what PyTorch makes of it on the meta device is a new tensor
        OUTPUT_RULES[operator] = AsyncCollectiveTensor
    operator = _operator(torch.ops._dtensor, "shard_dim_alltoall")
    if operator is not None:
        COLLECTIVES[operator] = Collective("all_to_all", 0, 3)


def _operator(namespace: Any, name: str) -> Any:
    return getattr(getattr(namespace, name, None), "default", None)


_register()
