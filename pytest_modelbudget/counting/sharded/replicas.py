"""DistributedDataParallel while it is counted: a reducer of its own, whose buckets are seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel

from ..pytorch.private import TorchDispatchMode, without_dispatch_modes
from ..pytorch.replaced import replaced


def settling_steps(modules: Iterable[torch.nn.Module]) -> int:
    """The steps after which each does the same: FSDP's first allocates; DDP makes its buckets anew in the second."""
    return 2 if next(_replicated(modules), None) is not None else 1


def without_reducers(modules: Iterable[torch.nn.Module]) -> None:
    """Drop the reducers of a model that was built for a count: their hooks would reduce gradients a second time."""
    for module in _replicated(modules):
        for name in ("reducer", "logger"):
            vars(module).pop(name, None)


def renew_reducers(modules: Iterable[torch.nn.Module]) -> None:
    """Give each replicated module a reducer of the parameters that it has now, as PyTorch does after unpickling."""
    for module in _replicated(modules):
        parameters, sparse = module._build_params_for_reducer()
        names = module._build_debug_param_to_name_mapping(parameters)
        module._ddp_init_helper(parameters, sparse, names, module.static_graph)
        module.logger = _NoLogger()  # PyTorch's warns of devices that it cannot time


@contextmanager
def buckets_made(as_gradients: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
    """Run in ``as_gradients()`` what a replicated module does before forward: its buckets are made anew there."""
    before = DistributedDataParallel._pre_forward

    def pre_forward(module: Any, *args: Any, **kwargs: Any) -> Any:
        with as_gradients(), _BucketIndices():
            return before(module, *args, **kwargs)

    with replaced(DistributedDataParallel, "_pre_forward", pre_forward):
        yield


class _NoLogger:
    """A logger of statistics that keeps none."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


class _BucketIndices(TorchDispatchMode):
    """Lets the indices by which buckets are made anew keep their values, which the first rank gives to all.

    The reducer fills a tensor of 32-bit integers on the CPU, broadcasts it and reads it again.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False, so that PyTorch does not import its compiler and pass each operator through it."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is _EMPTY and kwargs.get("dtype") is torch.int32 and _is_cpu(kwargs.get("device")):
            with without_dispatch_modes():
                return func(*args, **kwargs)
        if func is _COPY and not args[0].is_meta and args[1].is_meta and args[0].dtype is torch.int32:
            return args[0]
        return func(*args, **kwargs)


_EMPTY, _COPY = torch.ops.aten.empty.memory_format, torch.ops.aten.copy_.default


def _is_cpu(device: Any) -> bool:
    return device is None or torch.device(device).type == "cpu"


def _replicated(modules: Iterable[torch.nn.Module]) -> Iterator[Any]:
    return (module for module in modules if isinstance(module, DistributedDataParallel))
