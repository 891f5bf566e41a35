"""The counter of teams whose history is in fvcore's numbers: ``FlopCountAnalysis`` on a real run."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from ..errors import UsageError
from ..values.cost import Cost, ModuleCost
from ..values.point import OperatingPoint
from .model.inputs import describe
from .model.rows import cost_of_rows, module_rows
from .model.tree import ModuleTree
from .operators.classify import Kind, classify

_NOT_MACS = frozenset({
    "batch_norm", "group_norm", "layer_norm", "instance_norm", "upsample_nearest2d", "upsample_bilinear2d",
    "adaptive_avg_pool2d", "grid_sampler",
})  # fmt: skip


def fvcore_cost(
    model: torch.nn.Module,
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
    point: OperatingPoint,
    notes: tuple[str, ...],
) -> Cost:
    """Count with fvcore. It traces a real forward, so the cost is ``executed="real"``.

    What fvcore skips and is not free is reported as uncounted. Raises `UsageError` for keyword inputs.
    """
    with warnings.catch_warnings():  # it is built on what PyTorch deprecates; to warn of that is not the user's to hear
        warnings.simplefilter("ignore")
        from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis

    if point.mode == "train":
        raise UsageError("counter='fvcore' counts inference only, since fvcore does. Leave mode='train' to 'aten'.")
    if keywords:
        raise UsageError("counter='fvcore' takes positional inputs only, since fvcore does. Pass inputs= as a tuple.")
    with torch.no_grad():
        flops = _quiet(FlopCountAnalysis(model, arguments))
        activations = _quiet(ActivationCountAnalysis(model, arguments))
        by_module, by_operator = flops.by_module(), flops.by_operator()
        per_module = flops.by_module_and_operator()
        outputs = activations.by_module()
    tree = ModuleTree.of(model)
    rows = {
        name: ModuleCost(
            **{
                **row.to_dict(),
                "flops": int(by_module.get(name, 0)),
                "macs": _macs(per_module.get(name, {})),
                "activations": int(outputs.get(name, 0)),
            }
        )
        for name, row in module_rows(tree, {}, "fvcore", {}).items()
    }
    skipped = {name: calls for name, calls in sorted(flops.unsupported_ops().items()) if not _is_free(name)}
    return cost_of_rows(
        rows,
        point=point,
        inputs=describe(arguments, keywords),
        convention="fvcore",
        counter="fvcore",
        executed="real",
        memory=None,
        notes=notes,
        uncounted={name.removeprefix("aten::"): int(calls) for name, calls in skipped.items()},
        uncounted_in={name.removeprefix("aten::"): ("",) for name in skipped},
        operators={name: int(count) for name, count in by_operator.items()},
    )


def _quiet(analysis: Any) -> Any:
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    return analysis


def _macs(operators: Any) -> int:
    return sum(int(count) for name, count in operators.items() if name not in _NOT_MACS)


def _is_free(name: str) -> bool:
    """Whether an operator of a traced graph (``aten::add``) is free by our list."""
    namespace, _, operator = name.partition("::")
    packet = getattr(getattr(torch.ops, namespace), operator, None)
    if packet is None or not hasattr(packet, "overloads"):
        return namespace == "prim"
    return any(classify(getattr(packet, overload)).kind is Kind.FREE for overload in packet.overloads())
