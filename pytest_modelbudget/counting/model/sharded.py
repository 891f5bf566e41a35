"""Which models are sharded over ranks, what of a tensor this rank holds, and the sharded models that are refused."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import torch

from ...errors import UsageError
from ..recording.tensors import PLAIN, dense_parts, tensors_in


def is_sharded_model(modules: Iterable[torch.nn.Module]) -> bool:
    """Whether one of ``modules`` is sharded or replicated: by FSDP, by DDP, or with DTensors in it.

    Raises `UsageError` for one of FSDP's first version, whose parameters are flat.
    """
    modules = tuple(modules)
    kinds = set(map(type, modules))
    flat = tuple(_loaded("torch.distributed.fsdp", "FullyShardedDataParallel"))
    if any(issubclass(kind, flat) for kind in kinds):
        raise UsageError(
            "The model is sharded by FullyShardedDataParallel, the first version of FSDP, which is not measured: "
            "shard it with fully_shard (torch.distributed.fsdp), or measure the model as it is before."
        )
    found = (torch.nn.parallel.DistributedDataParallel, *_loaded("torch.distributed.fsdp", "FSDPModule"))
    if any(issubclass(kind, found) for kind in kinds):
        return True
    dtensor = tuple(_loaded("torch.distributed.tensor", "DTensor"))
    if not dtensor:
        return False
    of_tensors: set[type] = set()
    for module in modules:
        of_tensors.update(map(type, module._parameters.values()), map(type, module._buffers.values()))
    return any(issubclass(kind, dtensor) for kind in of_tensors - PLAIN)


def check_group() -> None:
    """Raise `UsageError` where a sharded model is in no process group, as one whose group is destroyed."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        raise UsageError(
            "The model is sharded, and its process group is gone. Measure it while the group is there, or give a "
            "factory and say ranks=, in whose process group it is called."
        )


def refuse_sharded_inputs(inputs: Any) -> None:
    """Raise `UsageError` if a tensor in ``inputs=`` is a DTensor."""
    if "torch.distributed.tensor" in sys.modules and any(is_dtensor(tensor) for tensor in tensors_in(inputs)):
        raise UsageError("A tensor in inputs= is a DTensor. Give a plain tensor: what this rank gets.")


def is_dtensor(value: Any) -> bool:
    """Whether a value is a DTensor."""
    return isinstance(value, tuple(_loaded("torch.distributed.tensor", "DTensor")))


def held_elements(tensor: torch.Tensor) -> int:
    """The elements of a tensor that this rank holds."""
    if type(tensor) in PLAIN or not is_dtensor(tensor):
        return tensor.numel()
    return sum(part.numel() for part in dense_parts(tensor))


def own_class(module: torch.nn.Module) -> type:
    """The class of a module, without the one that ``fully_shard`` puts before it."""
    kind = type(module)
    return kind.__mro__[2] if _is_fsdp(kind) else kind


def fsdp_state(module: torch.nn.Module) -> Any:
    """What FSDP knows of a module that is sharded by it; ``None`` for any other."""
    found: Any = module
    return found._get_fsdp_state() if _is_fsdp(type(module)) else None


def fsdp_objects() -> tuple[type, ...]:
    """The classes in whose objects FSDP keeps what it knows of a model that it shards."""
    from ..pytorch.distributed import FSDP_OBJECTS  # it imports DTensor and FSDP

    return tuple(FSDP_OBJECTS)


def _is_fsdp(kind: type) -> bool:
    """Whether a class of modules is one that ``fully_shard`` makes: it names it so, and puts two before the user's."""
    if not kind.__name__.startswith("FSDP"):
        return False
    sharded = tuple(_loaded("torch.distributed.fsdp", "FSDPModule"))
    return bool(sharded) and issubclass(kind, sharded) and kind not in sharded


def _loaded(module: str, *names: str) -> Iterable[type]:
    """The classes of a module of PyTorch, if it is loaded and has them: else no value is an instance of them."""
    found = sys.modules.get(module)
    return [kind for name in names if isinstance(kind := getattr(found, name, None), type)]
