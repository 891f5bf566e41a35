"""PyTorch Geometric: message passing over a graph of 12 nodes, a ring with chords."""

from __future__ import annotations

import torch
from ecosystem.case import Case
from torch import nn
from torch_geometric import nn as gnn

NODES = 12
RING = torch.arange(NODES)
EDGES = torch.stack([RING.repeat(2), torch.cat([(RING + 1) % NODES, (RING + 4) % NODES])])
GRAPH = {"x": torch.zeros(NODES, 8), "edge_index": EDGES}
KINDS = torch.arange(2 * NODES) % 3
HALVES = RING // 6


class Relational(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = gnn.RGCNConv(8, 16, num_relations=3)
        self.second = gnn.RGCNConv(16, 4, num_relations=3, num_bases=2)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor, edge_type: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x, edge_index, edge_type).relu(), edge_index, edge_type)


class Pooled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = gnn.GraphConv(8, 16)
        self.pool = gnn.TopKPooling(16, ratio=0.5)
        self.read = gnn.Set2Set(16, processing_steps=2)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        x = self.layer(x, edge_index).relu()
        x, _, _, batch, *_ = self.pool(x, edge_index, None, batch)
        return self.read(x, batch)


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = gnn.TransformerConv(8, 4, heads=2)
        self.second = gnn.GPSConv(8, gnn.GINConv(nn.Linear(8, 8)), heads=2)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x, edge_index), edge_index)


CASES = [
    Case("GCN", lambda: gnn.GCN(8, 16, 2, 4), GRAPH),
    Case("GAT", lambda: gnn.GAT(8, 16, 2, 4, heads=4, v2=True), GRAPH),
    Case("GraphSAGE", lambda: gnn.GraphSAGE(8, 16, 2, 4), GRAPH),
    Case("GIN", lambda: gnn.GIN(8, 16, 2, 4), GRAPH),
    Case("PNA", lambda: gnn.PNA(8, 16, 2, 4, aggregators=["mean", "max", "std"], scalers=["identity", "attenuation"],
                                deg=torch.tensor([0, 0, 12])), GRAPH),
    Case("RGCNConv", Relational, {**GRAPH, "edge_type": KINDS}, beyond={"dot": 2 * 2 * 4}),
    Case("TransformerConv and GPSConv", Attending, GRAPH),
    Case("TopKPooling and Set2Set", Pooled, {**GRAPH, "batch": HALVES},
         real="it reads how many nodes each graph keeps",
         memory="the LSTM of a real run is one kernel, whose gates nobody sees"),
    Case("LightGCN", lambda: gnn.LightGCN(NODES, 8, 2), {"edge_index": EDGES}),
]  # fmt: skip
