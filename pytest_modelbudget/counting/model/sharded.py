"""Refusing sharded models, whose tensors are spread over processes: one process holds a part and cannot run alone."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import torch

from ...errors import UsageError
from ..recording.tensors import PLAIN, tensors_in


def refuse_sharded(modules: Iterable[torch.nn.Module]) -> None:
    """Raise `UsageError` if one of ``modules`` is sharded, by FSDP or with parameters or buffers that are DTensors."""
    if "torch.distributed.fsdp" not in sys.modules and "torch.distributed.tensor" not in sys.modules:
        return
    fsdp = tuple(_loaded("torch.distributed.fsdp", "FSDPModule", "FullyShardedDataParallel"))
    for module in modules:
        if fsdp and isinstance(module, fsdp):
            raise _error(f"A {type(module).__name__} of the model is sharded by FSDP")
        for tensors in (module._parameters, module._buffers):
            if not tensors or PLAIN.issuperset(map(type, tensors.values())):
                continue
            for name, tensor in tensors.items():
                if is_sharded(tensor):
                    raise _error(f"{name!r} of a {type(module).__name__} of the model is a DTensor")


def refuse_sharded_inputs(inputs: Any) -> None:
    """Raise `UsageError` if a tensor in ``inputs=`` is a DTensor."""
    if "torch.distributed.tensor" in sys.modules and any(is_sharded(tensor) for tensor in tensors_in(inputs)):
        raise UsageError("A tensor in inputs= is a DTensor. Sharded tensors are not measured yet: give a plain tensor.")


def is_sharded(value: Any) -> bool:
    """Whether a value is a DTensor."""
    return isinstance(value, tuple(_loaded("torch.distributed.tensor", "DTensor")))


def _loaded(module: str, *names: str) -> Iterable[type]:
    """The classes of a module of PyTorch, if it is loaded and has them: else no value is an instance of them."""
    found = sys.modules.get(module)
    return [kind for name in names if isinstance(kind := getattr(found, name, None), type)]


def _error(found: str) -> UsageError:
    return UsageError(
        f"{found}. Sharded models are not measured yet: measure the model as it is before fully_shard, "
        "FullyShardedDataParallel or parallelize_module, or give a factory that returns it without them."
    )
