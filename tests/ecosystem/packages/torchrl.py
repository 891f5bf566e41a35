"""torchrl and tensordict: networks that read and write a dictionary of tensors."""

from __future__ import annotations

import torch
from ecosystem.case import Case, image
from tensordict.nn import TensorDictModule, TensorDictSequential
from torchrl.modules import MLP, ConvNet, DecisionTransformer

CASES = [
    Case("MLP", lambda: MLP(8, 4, depth=2, num_cells=16), (torch.zeros(4, 8),)),
    Case("ConvNet", lambda: ConvNet(3, num_cells=[8, 16], kernel_sizes=3), (image(16, 2),)),
    Case("TensorDictSequential", lambda: TensorDictSequential(
        TensorDictModule(torch.nn.Linear(8, 16), in_keys=["state"], out_keys=["hidden"]),
        TensorDictModule(MLP(16, 4, depth=1, num_cells=8), in_keys=["hidden"], out_keys=["action"])),
        {"state": torch.zeros(4, 8)}),
    Case("DecisionTransformer", lambda: DecisionTransformer(8, 3), (torch.zeros(1, 6, 8), torch.zeros(1, 6, 3),
                                                                 torch.zeros(1, 6, 1))),
]  # fmt: skip
