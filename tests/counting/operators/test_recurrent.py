"""Recurrent layers and cells against counts derived by hand: every matrix meets every token once."""

from __future__ import annotations

from typing import Any

import torch
from four_ways import Case, calls, each, each_way, module
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

B, T, IN, H = 2, 5, 6, 8
TOKENS = B * T
X = (B, T, IN)


def layer(gates: int, width: int, *, proj: int = 0, directions: int = 1, tokens: int = TOKENS) -> tuple[int, int]:
    """Multiply-adds and activations of one layer: gates·H rows for the input and as many for the state.

    An LSTM that projects has a state of ``proj``, made by ``proj`` rows more.
    """
    rows, state = gates * H, proj or H
    macs = rows * (width + state) + proj * H
    return directions * tokens * macs, directions * tokens * (2 * rows + proj)


def cost(*layers: tuple[int, int]) -> dict[str, int]:
    return {"macs": sum(macs for macs, _ in layers), "activations": sum(outputs for _, outputs in layers)}


class Packed(nn.Module):
    """A recurrent layer over a packed batch: sequences of 5 and of 3 tokens."""

    def __init__(self, recurrent: nn.Module, *, sort: bool = True) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.sort = sort

    def forward(self, x: torch.Tensor) -> Any:
        packed = pack_padded_sequence(x, torch.tensor([5, 3]), batch_first=True, enforce_sorted=self.sort)
        return pad_packed_sequence(self.recurrent(packed)[0], batch_first=True)


class Stateful(nn.Module):
    """An LSTM given its first state, one token at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(IN, H, batch_first=True)

    def forward(self, x: torch.Tensor) -> Any:
        state = (x.new_zeros(1, B, H), x.new_zeros(1, B, H))
        for token in range(T):
            y, state = self.lstm(x[:, token : token + 1], state)
        return y


LSTM, GRU, RNN = 4, 3, 1
# With autograd on, unpacking writes the lengths into memory that has no data on meta.
PACKED = {"not_on": {"meta+grad": "data is not allocated"}}
LAYERS = [
    module("LSTM", lambda: nn.LSTM(IN, H, batch_first=True), X, **cost(layer(LSTM, IN))),
    module("LSTM, time first", lambda: nn.LSTM(IN, H), (T, B, IN), **cost(layer(LSTM, IN))),
    module("LSTM, unbatched", lambda: nn.LSTM(IN, H), (T, IN), **cost(layer(LSTM, IN, tokens=T))),
    module("LSTM, no bias", lambda: nn.LSTM(IN, H, bias=False), (T, B, IN), **cost(layer(LSTM, IN))),
    module("LSTM, bidirectional", lambda: nn.LSTM(IN, H, bidirectional=True), (T, B, IN),
           **cost(layer(LSTM, IN, directions=2))),
    module("LSTM, layers", lambda: nn.LSTM(IN, H, num_layers=3, dropout=0.5), (T, B, IN),
           **cost(layer(LSTM, IN), layer(LSTM, H), layer(LSTM, H))),
    # the next layer reads both directions
    module("LSTM, both", lambda: nn.LSTM(IN, H, num_layers=2, bidirectional=True, batch_first=True), X,
           **cost(layer(LSTM, IN, directions=2), layer(LSTM, 2 * H, directions=2))),
    module("LSTM, projection", lambda: nn.LSTM(IN, H, proj_size=3), (T, B, IN), **cost(layer(LSTM, IN, proj=3))),
    module("LSTM, everything", lambda: nn.LSTM(IN, H, num_layers=2, proj_size=3, bidirectional=True), (T, B, IN),
           **cost(layer(LSTM, IN, proj=3, directions=2), layer(LSTM, 6, proj=3, directions=2))),
    module("LSTM, token by token", Stateful, X, **cost(layer(LSTM, IN))),
    module("LSTM, float64", lambda: nn.LSTM(IN, H, dtype=torch.float64), (T, B, IN), **cost(layer(LSTM, IN))),
    module("LSTM, one token", lambda: nn.LSTM(IN, H), (1, 1, IN), **cost(layer(LSTM, IN, tokens=1))),
    module("GRU", lambda: nn.GRU(IN, H, batch_first=True), X, **cost(layer(GRU, IN))),
    module("GRU, both", lambda: nn.GRU(IN, H, num_layers=2, bidirectional=True), (T, B, IN),
           **cost(layer(GRU, IN, directions=2), layer(GRU, 2 * H, directions=2))),
    module("RNN tanh", lambda: nn.RNN(IN, H), (T, B, IN), **cost(layer(RNN, IN))),
    module("RNN relu", lambda: nn.RNN(IN, H, nonlinearity="relu", bidirectional=True), (T, B, IN),
           **cost(layer(RNN, IN, directions=2))),
    # 5 + 3 real tokens
    module("packed LSTM", lambda: Packed(nn.LSTM(IN, H, batch_first=True)), X,
           **cost(layer(LSTM, IN, tokens=8)), **PACKED),
    module("packed LSTM, both", lambda: Packed(nn.LSTM(IN, H, 2, bidirectional=True, batch_first=True)), X,
           **cost(layer(LSTM, IN, directions=2, tokens=8), layer(LSTM, 2 * H, directions=2, tokens=8)), **PACKED),
    module("packed GRU, unsorted", lambda: Packed(nn.GRU(IN, H, batch_first=True), sort=False), X,
           **cost(layer(GRU, IN, tokens=8)), **PACKED),
    module("packed RNN", lambda: Packed(nn.RNN(IN, H, batch_first=True)), X,
           **cost(layer(RNN, IN, tokens=8)), **PACKED),
]  # fmt: skip

# A cell is one step of one layer for each of B states.
CELLS = [
    module("LSTMCell", lambda: nn.LSTMCell(IN, H), (B, IN), **cost(layer(LSTM, IN, tokens=B))),
    module("GRUCell", lambda: nn.GRUCell(IN, H), (B, IN), **cost(layer(GRU, IN, tokens=B))),
    module("RNNCell tanh", lambda: nn.RNNCell(IN, H), (B, IN), **cost(layer(RNN, IN, tokens=B))),
    module("RNNCell relu", lambda: nn.RNNCell(IN, H, nonlinearity="relu"), (B, IN), **cost(layer(RNN, IN, tokens=B))),
    module("LSTMCell, unbatched", lambda: nn.LSTMCell(IN, H, bias=False), (IN,), **cost(layer(LSTM, IN, tokens=1))),
    calls("torch.lstm_cell", lambda x, h, c, w, u: torch.lstm_cell(x, (h, c), w, u),
          [(B, IN), (B, H), (B, H), (4 * H, IN), (4 * H, H)], **cost(layer(LSTM, IN, tokens=B))),
]  # fmt: skip

CASES = [*LAYERS, *CELLS]


@each_way(CASES)
def test_a_recurrent_layer_costs_the_same_however_it_runs(case: Case, way: str) -> None:
    case.check(way)


@each(CASES)
def test_a_multiply_add_is_two_flops_for_torch(case: Case) -> None:
    case.check_torch_convention()
