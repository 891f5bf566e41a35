"""Private names of ``torch.distributed``, for sharded models only: importing this file imports DTensor and FSDP.

As `private`, it is a file that looks them up for all others, and a release that lacks one is named.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

from .private import Place, needed
from .versions import SHARDED_TRIED

with needed("sharded models", SHARDED_TRIED):
    import torch.distributed.fsdp
    import torch.distributed.tensor.parallel
    from torch.distributed import _functional_collectives, device_mesh, distributed_c10d
    from torch.distributed.fsdp._fully_shard import (
        _fsdp_collectives,
        _fsdp_init,
        _fsdp_param,
        _fsdp_param_group,
        _fsdp_state,
        _fully_shard,
    )
    from torch.distributed.tensor import _op_schema, _random, _redistribute, _sharding_prop, debug
    from torch.testing._internal.distributed import fake_pg

    _C10D: Any = torch._C._distributed_c10d
    _HANDLE, _OF_MESH = "_get_device_handle", "_get_device_from_mesh"

    FakeStore = fake_pg.FakeStore  # its module registers the backend
    AsyncCollectiveTensor = _functional_collectives.AsyncCollectiveTensor
    work_of_future: Any = _C10D._create_work_from_future
    ProcessGroup: Any = _C10D.ProcessGroup
    group_named: Any = getattr(distributed_c10d, "_resolve_process_group")  # noqa: B009 - PyTorch does not export it

    _FILES: tuple[ModuleType, ...] = (
        device_mesh, _random, _fsdp_collectives, _fsdp_init, _fsdp_param_group, _fsdp_state, _fully_shard,
    )  # fmt: skip
    torch.distributed.fsdp.FSDPModule.set_reshard_after_forward  # noqa: B018 - FSDP is another one before 2.8

    DEVICE_HANDLES = tuple(Place(file, _HANDLE) for file in _FILES if hasattr(file, _HANDLE))
    """Where PyTorch asks for the module of a type of device, such as ``torch.cuda``."""

    DEVICES_OF_MESHES = tuple(Place(file, _OF_MESH) for file in _FILES if hasattr(file, _OF_MESH))
    """Where FSDP asks for the device of a mesh."""

    REFUSES_META = Place(_fsdp_param_group.FSDPParamGroup, "_validate_no_meta_params")
    PROPAGATES_SIZES = Place(_sharding_prop.ShardingPropagator, "_propagate_tensor_meta_non_cached")
    PROPAGATES_SHARDING = Place(_sharding_prop.ShardingPropagator, "propagate_op_sharding_non_cached")
    RESETS_PARAMETER = Place(_fsdp_param.FSDPParam, "reset_sharded_param")
    ALLOCATES_GATHERED = Place(_fsdp_param.FSDPParam, "alloc_all_gather_outputs")
    for place in (REFUSES_META, PROPAGATES_SIZES, PROPAGATES_SHARDING, RESETS_PARAMETER, ALLOCATES_GATHERED):
        place.value  # noqa: B018 - it has to be there

    BATCHES_MESSAGES = tuple(Place(file, "batch_isend_irecv") for file in (dist, distributed_c10d))
    RECEIVES_OBJECTS = tuple(Place(file, "recv_object_list") for file in (dist, distributed_c10d))

    OperatorSchema, OutputSharding = _op_schema.OpSchema, _op_schema.OutputSharding
    _propagator: Any = torch.distributed.tensor.DTensor._op_dispatcher.sharding_propagator
    _CLEAR_PLACEMENTS: tuple[Any, ...] = (
        *(getattr(debug, name) for name in vars(debug) if name.startswith("_clear_") and "sharding_prop" in name),
    ) or (
        getattr(_propagator.propagate_op_sharding, "cache", _propagator.propagate_op_sharding).cache_clear,
    )  # until 2.9

    FSDP_OBJECTS = (
        _fsdp_state.FSDPState, _fsdp_state.FSDPStateContext, _fsdp_param_group.FSDPParamGroup,
        _fsdp_param_group.FSDPCommContext, _fsdp_param.FSDPParam, _fsdp_param.ExtensionsData,
    )  # fmt: skip
    """The objects in which FSDP keeps what it knows of a model."""


def forget_placements() -> None:
    """Empty DTensor's caches: meshes that look alike in two process groups, or to two ranks, are equal to them."""
    for clear in _CLEAR_PLACEMENTS:
        clear()
    transforms: Any = getattr(_redistribute, "_gen_transform_infos", None)
    if hasattr(transforms, "cache_clear"):
        transforms.cache_clear()


def groups() -> list[Any]:
    """The process groups that there are."""
    return list(distributed_c10d._world.pg_map)


def group_of(value: Any) -> Any:
    """The process group that an operator's argument is: itself, boxed, or its name."""
    if isinstance(value, str):
        return group_named(value)
    return value if isinstance(value, dist.ProcessGroup) else ProcessGroup.unbox(value)


class Pipelining(NamedTuple):
    """Where stages of a pipeline agree on what they know before the first step; their class, and what they agree on."""

    warms_up: Place
    stage: Any
    modes: Any


def pipelining() -> Pipelining | None:
    """What stages of a pipeline are made of; ``None`` before 2.12, where they do not agree on anything.

    It imports them, and with them much of PyTorch.
    """
    from torch.distributed.pipelining import _utils, schedules, stage

    place = Place(schedules._PipelineSchedule, "_warmup_p2p")
    return Pipelining(place, stage.PipelineStage, _utils.InferenceMode) if hasattr(*place) else None
