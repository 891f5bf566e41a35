"""TorchScript kernels that run without a call to an operator: nothing sees them, so they are looked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from .registry import FORMULAS

_KERNELS = frozenset({"prim::mkldnn_convolution"})
_GROUPS = frozenset({"prim::oneDNNFusionGroup", "prim::TensorExprGroup", "prim::CudaFusionGroup", "prim::FusionGroup"})


def unseen_kernels() -> list[str]:
    """The kernels in the script that ran last which multiply without an operator.

    ``torch.jit.optimize_for_inference`` puts such kernels in, and the executor fuses operators into groups after
    the first calls. A group of element-wise operators is free as they are.
    """
    return list(_unseen(torch._C._last_executed_optimized_graph()))


def _unseen(block: Any) -> Iterator[str]:
    for node in block.nodes():
        kind = node.kind()
        inside = [*node.blocks(), *([node.g("Subgraph")] if node.hasAttribute("Subgraph") else [])]
        if kind in _KERNELS or (kind in _GROUPS and any(inner.kind() in FORMULAS for inner in _nodes(inside))):
            yield kind
        elif kind not in _GROUPS:
            for part in inside:
                yield from _unseen(part)


def _nodes(blocks: list[Any]) -> Iterator[Any]:
    for block in blocks:
        yield from block.nodes()
