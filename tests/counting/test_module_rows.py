"""What a module's row says beside its counts: the bytes of its tensors in every layout, and a text that is stable."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_modelbudget import measure

INT64, FLOAT32 = 8, 4


def stored() -> torch.Tensor:
    """A matrix of 4x6 that holds three elements."""
    return torch.sparse_coo_tensor([[0, 1, 3], [1, 2, 5]], [1.0, 2.0, 3.0], (4, 6))


LAYOUTS = {  # values, and the indices beside them
    "COO": (lambda: stored(), 3 * FLOAT32 + 2 * 3 * INT64),  # a row and a column for each element
    "CSR": (lambda: stored().to_sparse_csr(), 3 * FLOAT32 + (5 + 3) * INT64),  # where 4 rows begin and end; columns
    "CSC": (lambda: stored().to_sparse_csc(), 3 * FLOAT32 + (7 + 3) * INT64),
    "BSR": (lambda: stored().to_sparse_bsr((2, 2)), 3 * 4 * FLOAT32 + (3 + 3) * INT64),  # three blocks of 2x2
    "BSC": (lambda: stored().to_sparse_bsc((2, 2)), 3 * 4 * FLOAT32 + (4 + 3) * INT64),
}


class Graph(nn.Module):
    """A dense layer beside a sparse adjacency matrix, which forward may leave alone."""

    def __init__(self, adjacency: torch.Tensor, used: bool):
        super().__init__()
        self.layer = nn.Linear(2, 2, bias=False)
        self.register_buffer("adjacency", adjacency)
        self.used = used

    def forward(self, x):
        return self.layer(self.adjacency @ x if self.used else x)


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize(
    ("layout", "used"),
    [
        *((layout, False) for layout in LAYOUTS),
        *((layout, True) for layout in LAYOUTS if layout != "BSC"),  # PyTorch has no product of it on the CPU
    ],
)
def test_a_sparse_buffer_takes_the_bytes_of_its_values_and_indices(layout, used):
    make, size = LAYOUTS[layout]
    model = Graph(make(), used)
    for target in (model, lambda: Graph(make(), used)):
        cost = measure(target, inputs=(6, 2))
        assert cost.weights == size + 2 * 2 * FLOAT32
        assert cost.by_module()["layer"].weights == 2 * 2 * FLOAT32
        assert cost.executed == ("real" if used else "meta")
    assert model.adjacency.layout == make().layout


@pytest.mark.filterwarnings("ignore:Sparse")
def test_a_sparse_parameter_counts_in_full_and_weighs_what_it_stores():
    class Embedded(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(stored(), requires_grad=False)

        def forward(self, x):
            return self.table @ x

    cost = measure(Embedded, inputs=(6, 2))
    assert (cost.params, cost.trainable_params, cost.weights) == (4 * 6, 0, 3 * FLOAT32 + 2 * 3 * INT64)
    assert cost.macs == 3 * 2


class Described(nn.Linear):
    """Its text holds a function and an object, as Python prints them."""

    def __init__(self):
        super().__init__(2, 2)
        self.hook, self.state = lambda x: x, object()

    def extra_repr(self):
        return f"gain={self.hook}, state={self.state}, mask=0x1f"


def test_the_text_of_a_module_holds_no_addresses():
    rows = [measure(Described, inputs=(1, 2)).by_module()[""] for _ in range(2)]
    function = "<function Described.__init__.<locals>.<lambda>>"
    assert rows[0].config == rows[1].config == f"gain={function}, state=<object object>, mask=0x1f"
