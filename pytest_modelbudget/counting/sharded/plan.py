"""A model parallelised by a plan: tensor parallelism by the styles of its layers, FSDP by block, replicas."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from ...errors import UsageError, nearest

Plan = Mapping[str, Any]
"""The style of each layer by its name, in which a ``*`` is one part: ``{"layers.*.mlp.up": "colwise"}``."""


def parallelised(model: nn.Module, mesh: Mapping[str, int], plan: Plan | None) -> nn.Module:
    """Spread ``model`` over a mesh of the sizes that ``parallel=`` gives, in the process group of the count.

    Tensor parallelism follows ``plan``, or the model's own: ``_tp_plan``, or ``base_model_tp_plan`` of its ``config``,
    as models of transformers have it. ``fully_shard`` is applied to each of its blocks, then to the whole. Raises
    `UsageError` where there is no plan, or one that fits no layer.
    """
    from torch.distributed.device_mesh import init_device_mesh

    sizes = {name: size for name, size in mesh.items() if size > 1 or name == "fsdp"}
    if not sizes:
        return model
    devices = init_device_mesh("cpu", tuple(sizes.values()), mesh_dim_names=tuple(sizes))
    if "tp" in sizes:
        _tensor_parallel(model, devices["tp"], plan if plan is not None else _own_plan(model))
    if "fsdp" in sizes:
        return _sharded(model, devices["dp", "fsdp"] if "dp" in sizes else devices["fsdp"])
    if "dp" in sizes and "tp" in sizes:
        raise UsageError(
            "parallel= has dp and tp: PyTorch's DistributedDataParallel takes no layers that are divided. Replicate "
            "them with FSDP: parallel={'dp': ..., 'fsdp': 1, 'tp': ...}."
        )
    return nn.parallel.DistributedDataParallel(model) if "dp" in sizes else model


def _sharded(model: nn.Module, mesh: Any) -> nn.Module:
    from torch.distributed.fsdp import fully_shard

    for block in blocks_of(model):
        fully_shard(block, mesh=mesh)
    whole: Any = fully_shard(model, mesh=mesh)
    found: nn.Module = whole
    return found


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """The blocks that are sharded each for itself: the outermost layers that repeat.

    They are of the classes that the model names in ``_no_split_modules``, as models of transformers do; in others they
    are the elements of a list or sequence, if several are of one class and have parameters.
    """
    named = set(getattr(model, "_no_split_modules", None) or ())
    if named and any(type(module).__name__ in named for module in model.modules()):
        return [module for module in model.modules() if type(module).__name__ in named]
    return list(_repeating(model))


def _repeating(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(child, (nn.ModuleList, nn.Sequential)):
            inside = [one for one in child if next(one.parameters(), None) is not None]
            kinds = [type(one) for one in inside]
            repeated = [one for one in inside if kinds.count(type(one)) > 1 and next(one.children(), None) is not None]
            if repeated:
                yield from repeated
                continue
        yield from _repeating(child)


def _own_plan(model: nn.Module) -> Plan:
    """The plan that a model brings along."""
    for owner, name in ((model, "_tp_plan"), (getattr(model, "config", None), "base_model_tp_plan")):
        found = getattr(owner, name, None)
        if isinstance(found, Mapping) and found:
            return found
    raise UsageError(
        f"parallel= divides layers (tp), and {type(model).__name__} says nowhere how: give tp_plan=, such as "
        "{'blocks.*.attention.q': 'colwise', 'blocks.*.attention.out': 'rowwise'}, or leave out tp."
    )


def _tensor_parallel(model: nn.Module, mesh: Any, plan: Plan) -> None:
    from torch.distributed.tensor.parallel import parallelize_module

    found: dict[str, Any] = {}
    for pattern, style in plan.items():
        wanted = re.compile(rf"(?:.*\.)?{re.escape(pattern).replace(re.escape('*'), '[^.]+')}")
        for name, module in model.named_modules():
            if name and wanted.fullmatch(name):
                found[name] = _style(style, module, pattern)
    if not found:
        names = [name for name, _ in model.named_modules() if name]
        first = next(iter(plan), "")
        raise UsageError(f"The plan of tensor parallelism names {first!r}, which is no module.{nearest(first, names)}")
    parallelize_module(model, mesh, {name: style for name, style in found.items() if style is not None})


def _style(style: Any, module: nn.Module, name: str) -> Any:
    """How PyTorch divides a layer for a style that a plan names; ``None`` for one that leaves it whole."""
    from torch.distributed.tensor import Replicate
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, SequenceParallel
    from torch.distributed.tensor.parallel.style import ParallelStyle

    if isinstance(style, ParallelStyle):
        return style
    whole = Replicate()
    embeds: dict[str, Any] = {"input_layouts": whole} if isinstance(module, nn.Embedding) else {}
    known = {
        "colwise": lambda: ColwiseParallel(**embeds),
        "rowwise": lambda: RowwiseParallel(**embeds),
        "local_colwise": lambda: ColwiseParallel(**embeds),
        "local_rowwise": lambda: RowwiseParallel(**embeds),
        "colwise_rep": lambda: ColwiseParallel(output_layouts=whole),
        "colwise_gather_output": lambda: ColwiseParallel(output_layouts=whole),
        "rowwise_rep": lambda: RowwiseParallel(input_layouts=whole),
        "rowwise_split_input": lambda: RowwiseParallel(input_layouts=whole),
        "embedding_rowwise": lambda: RowwiseParallel(input_layouts=whole),
        "sequence_parallel": lambda: SequenceParallel(sequence_dim=1),
        "replicate": lambda: None,
        "replicated_with_grad_allreduce": lambda: None,
    }
    if style not in known:
        raise UsageError(
            f"tp_plan= has {style!r} for {name!r}, which is no style.{nearest(str(style), known)} Allowed: "
            f"{', '.join(known)}, or a ParallelStyle of torch.distributed.tensor.parallel."
        )
    return known[style]()
