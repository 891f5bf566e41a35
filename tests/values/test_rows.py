"""Rows of modules: what repeats is one, what is shared is counted once, and all of it adds up."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pytest_modelbudget import Cost, measure
from pytest_modelbudget.values.metrics import metric_names
from pytest_modelbudget.values.rows import ModuleRow, first_member, rows_of, with_below


def named(cost: Cost) -> dict[str, ModuleRow]:
    return {row.name: row for row in rows_of(cost.modules)}


def conv(width: int = 3) -> nn.Module:
    return nn.Conv2d(width, width, 1, bias=False)


def test_blocks_that_repeat_are_one_row():
    """Each of the 4 convolutions has 9 weights, and at 8 x 8 pixels 9 * 64 multiply-adds."""
    cost = measure(nn.Sequential(*(nn.Sequential(conv(), nn.ReLU()) for _ in range(4))), batch=1, res=8)
    rows = named(cost)
    assert list(rows) == ["", "*", "*.0", "*.1"]
    row = rows["*.0"]
    assert (row.kind, row.times, row.calls, row.params, row.flops) == ("Conv2d", 4, 4, 4 * 9, 4 * 9 * 64)
    assert row.inputs == 4 * 3 * 64
    assert first_member("*.0", cost.modules) == "0.0"


def test_a_block_that_differs_stands_beside_those_that_repeat():
    blocks = [nn.Sequential(conv(), nn.ReLU() if n == 2 else nn.GELU()) for n in range(5)]
    cost = measure(nn.Sequential(*blocks), batch=1, res=8)
    assert list(named(cost)) == ["", "0-1,3-4", "0-1,3-4.0", "0-1,3-4.1", "2", "2.0", "2.1"]
    assert first_member("0-1,3-4.1", cost.modules) == "0.1"


def test_only_what_is_side_by_side_is_one_row_of_single_modules():
    cost = measure(nn.Sequential(conv(), conv(), nn.ReLU(), conv()), batch=1, res=8)
    assert list(named(cost)) == ["", "0-1", "2", "3"]


def test_names_that_say_something_are_not_run_together():
    """``norm1`` and ``norm2`` are two things, ``layer_0`` to ``layer_2`` are one three times."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
            for n in range(3):
                self.add_module(f"layer_{n}", nn.Sequential(nn.Linear(8, 8)))

        def forward(self, x):
            return self.norm2(self.layer_2(self.layer_1(self.layer_0(self.norm1(x)))))

    cost = measure(Net, inputs=(2, 8))
    assert list(named(cost)) == ["", "norm1", "norm2", "layer_*", "layer_*.0"]
    assert first_member("layer_*.0", cost.modules) == "layer_0.0"


def test_a_module_that_is_called_like_a_group_is_no_group():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            for name in ("0", "1", "*"):
                self.add_module(name, nn.Linear(8, 8))

        def forward(self, x):
            return self._modules["*"](self._modules["1"](self._modules["0"](x)))

    assert list(named(measure(Net, inputs=(2, 8)))) == ["", "0", "1", "*"]


def test_shared_weights_are_those_of_the_first():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, ids):
            return self.head(self.embed(ids))

    rows = named(measure(Net, batch=1, seq=3))
    assert (rows["embed"].params, rows["head"].params, rows[""].params) == (40, 0, 0)
    assert (rows["embed"].weights, rows["head"].weights) == (160, 0)
    assert (rows["embed"].shares, rows["head"].shares) == ("", "embed")


def test_own_operators_are_those_of_code_that_is_not_pytorchs():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            return torch.relu(self.layer(x)) @ x.T @ x

    rows = named(measure(Net, inputs=(2, 4)))
    assert dict(rows[""].operators) == {"matmul": 2, "relu": 1}
    assert dict(rows["layer"].operators) == {}


def test_what_backward_calls_again_is_recomputed():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            return torch.utils.checkpoint.checkpoint(self.layer, x, use_reentrant=False)

    rows = named(measure(Net, inputs=(2, 4), mode="train"))
    assert (rows["layer"].calls, rows["layer"].recomputed, rows["layer"].inputs) == (2, 1, 8)
    assert rows[""].recomputed == 0


trees = st.recursive(
    st.sampled_from([conv, nn.ReLU, nn.Identity, lambda: nn.BatchNorm2d(3)]),
    lambda inside: st.lists(inside, min_size=1, max_size=4).map(
        lambda makers: lambda: nn.Sequential(*(maker() for maker in makers))
    ),
    max_leaves=12,
)


@settings(max_examples=60)
@given(trees, st.sampled_from(["infer", "train"]))
def test_rows_add_up_to_the_whole(make, mode):
    cost = measure(nn.Sequential(make(), conv()), batch=2, res=4, mode=mode)
    rows = rows_of(cost.modules)
    for metric in metric_names(in_rows=True):
        whole = cost.modules[""].memory if metric == "memory" else cost.metric(metric) or 0  # nothing is sent
        assert sum(getattr(row, metric) for row in rows) == whole
        assert with_below({row.name: getattr(row, metric) for row in rows})[""] == whole
    assert sum(row.times for row in rows) == len(cost.modules)
    assert all(first_member(row.name, cost.modules) in cost.modules for row in rows)
