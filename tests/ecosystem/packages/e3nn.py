"""e3nn: products of irreducible representations, whose code is generated and scripted."""

from __future__ import annotations

import torch
from e3nn import nn as enn
from e3nn import o3
from ecosystem.case import Case

IRREPS = o3.Irreps("8x0e + 4x1o")
VECTORS = torch.zeros(6, IRREPS.dim)


class Gated(torch.nn.Module):
    """A linear layer and a gate on what it gives."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = enn.Gate("8x0e", [torch.relu], "4x0e", [torch.sigmoid], "4x1o")
        self.linear = o3.Linear(IRREPS, self.gate.irreps_in)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.gate(self.linear(x))


CASES = [
    Case("FullyConnectedTensorProduct", lambda: o3.FullyConnectedTensorProduct(IRREPS, "1x0e + 1x1o", "8x0e + 2x1o"),
         (VECTORS, torch.zeros(6, 4))),
    Case("Linear and Gate", Gated, (VECTORS,)),
    Case("FullyConnectedNet", lambda: enn.FullyConnectedNet([8, 16, 4], torch.relu), (torch.zeros(6, 8),)),
    Case("SphericalHarmonics", lambda: o3.SphericalHarmonics([0, 1, 2], True), (torch.zeros(6, 3),)),
    Case("BatchNorm", lambda: enn.BatchNorm(IRREPS), (VECTORS,)),
]  # fmt: skip
