"""TorchScript kernels that run without a call of an operator, so that no dispatch mode sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..pytorch.private import last_executed_graph

_KERNELS = frozenset({"prim::mkldnn_convolution"})


def unseen_kernels() -> list[str]:
    """The kernels that multiply without an operator, in the script that ran last.

    ``torch.jit.optimize_for_inference`` inserts them. The executor's own kernels, of operators that it fuses after the
    first calls, are not met: a count runs scripts as they are written.
    """
    return list(_unseen(last_executed_graph()))


def _unseen(block: Any) -> Iterator[str]:
    for node in block.nodes():
        if node.kind() in _KERNELS:
            yield node.kind()
        for inner in node.blocks():
            yield from _unseen(inner)
