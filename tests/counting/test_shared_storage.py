"""Weights and memory count storages: each once, and whole. Stand-ins share a storage where the model's tensors do."""

from __future__ import annotations

import pytest
import torch
from counting.live_bytes import inference_peak, summed, training_peak
from one_attempt import attempt
from torch import nn

from pytest_modelbudget import measure

FLOAT32 = 4


class Tied(nn.Module):
    """Two parameters in one storage: the old way to tie them."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 8)
        self.inner = nn.Sequential(nn.Linear(8, 50, bias=False))
        self.inner[0].weight.data = self.embed.weight.data

    def forward(self, ids):
        return self.inner(self.embed(ids))


class Slice(nn.Module):
    """Four rows of a table of 1,000, which they keep alive."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(8, 8)
        self.register_buffer("table", torch.zeros(1000, 8)[2:6])

    def forward(self, x):
        return self.net(x + self.table)


class Flat(nn.Module):
    """All parameters are views of one row of numbers, as flat optimizers lay them out. The bias is not contiguous."""

    def __init__(self):
        super().__init__()
        flat = torch.arange(8 * 8 + 16 + 1, dtype=torch.float32)
        self.first, self.second = nn.Linear(8, 8, bias=False), nn.Linear(8, 8)
        self.first.weight = nn.Parameter(flat[:64].view(8, 8))
        self.second.weight = nn.Parameter(flat[:64].view(8, 8).t())
        self.second.bias = nn.Parameter(flat[64:80:2])

    def forward(self, x):
        return self.second(self.first(x))


class Bits(nn.Module):
    """One storage as numbers and as their bits, in a parameter and in the buffer of another module."""

    def __init__(self):
        super().__init__()
        self.net, self.other = nn.Linear(8, 8), nn.Identity()
        self.other.register_buffer("bits", self.net.weight.detach().view(torch.int32))

    def forward(self, x):
        return self.other(self.net(x)) * self.other.bits.float().sum()


class Expanded(nn.Module):
    """One number, expanded to 1,000."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(8, 8)
        self.register_buffer("ones", torch.ones(1).expand(1000))

    def forward(self, x):
        return self.net(x) * self.ones[:8]


LAYER = 8 * 8 * FLOAT32 + 8 * FLOAT32
IDS, X = torch.zeros(1, 4, dtype=torch.int64), torch.zeros(4, 8)
CASES = {  # inputs, parameters, bytes of all storages, and those of single modules
    Tied: (IDS, 2 * 50 * 8, 50 * 8 * FLOAT32, {"embed": 50 * 8 * FLOAT32, "inner.0": 50 * 8 * FLOAT32}),
    Slice: (X, 8 * 8 + 8, LAYER + 1000 * 8 * FLOAT32, {"net": LAYER}),
    Flat: (X, 2 * 8 * 8 + 8, 81 * FLOAT32, {"first": 81 * FLOAT32, "second": 81 * FLOAT32}),
    Bits: (X, 8 * 8 + 8, LAYER, {"net": LAYER, "other": 8 * 8 * FLOAT32}),
    Expanded: (X, 8 * 8 + 8, LAYER + FLOAT32, {"net": LAYER}),
}
ids = pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)


@ids
def test_weights_are_the_storages_in_the_total_and_in_the_rows(kind):
    x, params, weights, rows = CASES[kind]
    on_meta = torch.device("meta")
    with on_meta:
        empty = kind()
    for cost in (
        measure(kind(), inputs=x),
        measure(kind, inputs=x),
        measure(empty, inputs=x),
        measure(kind(), inputs=x, mode="train", loss=torch.sum, optimizer="none"),
        attempt(kind(), real=True, grad=False, inputs=x),
        attempt(empty, real=True, grad=False, inputs=x),
        measure(kind(), inputs=(x,), counter="fvcore"),
    ):
        assert (cost.params, cost.weights) == (params, weights)
        assert {name: cost.by_module()[name].weights for name in rows} == rows
        assert cost.peak is None or cost.peak.kinds["weights"] == weights


@ids
def test_memory_is_that_of_a_real_run(kind):
    x = CASES[kind][0]
    expected = inference_peak(kind(), x)
    assert measure(kind(), inputs=x).memory == measure(kind, inputs=x).memory == expected
    assert attempt(kind(), real=True, grad=False, inputs=x).memory == expected
    assert measure(kind(), inputs=x, measured=True).measured.memory == expected


@ids
def test_memory_in_training_is_that_of_a_real_step(kind):
    """Two parameters in one storage have a gradient each."""
    x = CASES[kind][0]
    model = kind()
    expected = training_peak(model, torch.optim.SGD(model.parameters()), x, loss=summed)
    for target in (kind, kind()):
        assert measure(target, inputs=x, mode="train", optimizer="sgd").memory == expected


@ids
def test_another_dtype_parts_them_as_pytorch_does(kind):
    """``model.to(dtype)`` gives each floating tensor a storage of its own, without what a view leaves out."""
    x, params, _, _ = CASES[kind]
    model = kind().to(torch.bfloat16)
    storages = [t.untyped_storage() for t in (*model.parameters(), *model.buffers())]
    size = sum({storage._cdata: storage.nbytes() for storage in storages}.values())
    for target in (kind, kind()):
        cost = measure(target, inputs=x, dtype="bf16")
        assert (cost.params, cost.weights) == (params, size)


@ids
def test_they_share_after_they_were_measured(kind):
    model = kind()
    before = [(t.data_ptr(), t.stride(), t.untyped_storage()._cdata, t.clone()) for t in model.state_dict().values()]
    for mode in ("infer", "train"):
        measure(model, inputs=CASES[kind][0], mode=mode, measured=True)
    for (pointer, stride, storage, values), t in zip(before, model.state_dict().values(), strict=True):
        assert (t.data_ptr(), t.stride(), t.untyped_storage()._cdata) == (pointer, stride, storage)
        assert torch.equal(values, t)
