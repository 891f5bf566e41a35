"""TorchScript kernels that run without a call of an operator, so that no dispatch mode sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..pytorch.private import last_executed_graph
from .registry import FORMULAS

_KERNELS = frozenset({"prim::mkldnn_convolution"})
_FUSION_GROUPS = frozenset({
    "prim::oneDNNFusionGroup", "prim::TensorExprGroup", "prim::CudaFusionGroup", "prim::FusionGroup",
})  # fmt: skip


def unseen_kernels() -> list[str]:
    """The kernels that multiply without an operator, in the script that ran last.

    ``torch.jit.optimize_for_inference`` inserts such kernels, and the executor fuses operators into groups after the
    first calls. A group of free operators is free.
    """
    return list(_unseen(last_executed_graph()))


def _unseen(block: Any) -> Iterator[str]:
    for node in block.nodes():
        kind = node.kind()
        blocks = [*node.blocks(), *([node.g("Subgraph")] if node.hasAttribute("Subgraph") else [])]
        if kind in _KERNELS or (kind in _FUSION_GROUPS and any(n.kind() in FORMULAS for n in _nodes(blocks))):
            yield kind
        elif kind not in _FUSION_GROUPS:
            for inner in blocks:
                yield from _unseen(inner)


def _nodes(blocks: list[Any]) -> Iterator[Any]:
    for block in blocks:
        yield from block.nodes()
