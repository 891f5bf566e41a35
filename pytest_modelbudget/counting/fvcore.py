"""The other counter: ``fvcore.nn.FlopCountAnalysis`` on a real run, for teams whose earlier numbers are its own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch

from ..errors import UsageError
from ..values.cost import Cost, ModuleCost
from ..values.request import Request
from .blame import blaming
from .model.call import Attempt, Call, ready
from .model.rows import cost_of_rows, module_rows
from .model.target import TargetModel
from .model.tree import ModuleTree
from .operators.classify import Kind, classify
from .recording.tally import Tallies

_NOT_MACS = frozenset({
    "batch_norm", "group_norm", "layer_norm", "instance_norm", "upsample_nearest2d", "upsample_bilinear2d",
    "adaptive_avg_pool2d", "grid_sampler",
})  # fmt: skip
"""Operators whose FLOPs, by fvcore, are no multiply-adds."""


def fvcore_cost(target: TargetModel, request: Request) -> Cost:
    """Count with fvcore, which traces a real forward pass. Operators that it skips, and that cost, are uncounted.

    Raises `UsageError` for training, for keyword inputs, and where fvcore cannot be imported, `ModelError` when the
    model's own code raises.
    """
    _needs_fvcore()
    with ready(target, request, Attempt(real=True)) as call, blaming(call.model, call.given, request):
        return _cost(call, request, target.notes)


def _needs_fvcore() -> None:
    """Import fvcore. Raises `UsageError` that says what to install."""
    try:
        with warnings.catch_warnings():  # it imports what PyTorch deprecates, of which a user need not hear
            warnings.simplefilter("ignore")
            import fvcore.nn  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"counter='fvcore' counts with the package fvcore, which cannot be imported here: {error}. "
            "Install it with NumPy (pip install fvcore numpy), or count with counter='aten'."
        ) from error


def _cost(call: Call, request: Request, notes: tuple[str, ...]) -> Cost:
    from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis

    if request.point.mode == "train":
        raise UsageError("counter='fvcore' counts inference only, since fvcore does. Leave mode='train' to 'aten'.")
    if call.keywords:
        raise UsageError("counter='fvcore' takes positional inputs only, since fvcore does. Pass inputs= as a tuple.")
    with torch.no_grad():
        flops = _quiet(FlopCountAnalysis(call.model, call.again()[0]))
        activations = _quiet(ActivationCountAnalysis(call.model, call.again()[0]))
        by_module, by_operator = flops.by_module(), flops.by_operator()
        per_module = flops.by_module_and_operator()
        outputs = activations.by_module()
    rows = {
        name: ModuleCost(
            **{
                **row.to_dict(),
                "flops": int(by_module.get(name, 0)),
                "macs": _macs(per_module.get(name, {})),
                "activations": int(outputs.get(name, 0)),
            }
        )
        for name, row in module_rows(ModuleTree.of(call.model), Tallies(), "fvcore", {}).items()
    }
    skipped = {name: calls for name, calls in sorted(flops.unsupported_ops().items()) if not _is_free(name)}
    return cost_of_rows(
        rows,
        point=request.point,
        inputs=call.given,
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


def _macs(operators: Mapping[str, Any]) -> int:
    return sum(int(count) for name, count in operators.items() if name not in _NOT_MACS)


def _is_free(name: str) -> bool:
    """Whether an operator of a traced graph (``"aten::add"``) is free by this package's list."""
    namespace, _, operator = name.partition("::")
    packet = getattr(getattr(torch.ops, namespace), operator, None)
    if packet is None or not hasattr(packet, "overloads"):
        return namespace == "prim"
    return any(classify(getattr(packet, overload)).kind is Kind.FREE for overload in packet.overloads())
