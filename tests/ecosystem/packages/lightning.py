"""lightning: its demos' modules."""

from __future__ import annotations

import torch
from ecosystem.case import Case, ids
from lightning.pytorch.demos import Transformer
from lightning.pytorch.demos.boring_classes import BoringModel, DemoModel
from lightning.pytorch.demos.lstm import SimpleLSTM
from lightning.pytorch.demos.transformer import LightningTransformer

CASES = [
    Case("Transformer", lambda: Transformer(50, ninp=32, nhead=4, nhid=48), (ids(), ids())),
    Case("LightningTransformer", lambda: LightningTransformer(50), (ids(), ids())),
    Case("SimpleLSTM", lambda: SimpleLSTM(50, ninp=16, nhid=16, nlayers=2),
         (ids(12, 4), (torch.zeros(2, 4, 16), torch.zeros(2, 4, 16)))),
    Case("BoringModel", BoringModel, (torch.zeros(4, 32),)),
    Case("DemoModel", DemoModel, (torch.zeros(4, 32),)),
]  # fmt: skip
