"""``loader=``: the first batch alone is read, as its parts fit the model, and nothing of the process changes."""

from __future__ import annotations

import random

import numpy
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

from pytest_modelbudget import UsageError, measure, sweep


class Pairs(Dataset):
    """Rows of 8 numbers with their labels; ``read`` are those asked for."""

    def __init__(self, size: int = 100) -> None:
        self.size, self.read = size, []

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        self.read.append(index)
        return torch.full((8,), float(index)), index % 2


def layer() -> nn.Module:
    return nn.Linear(8, 4)


def test_the_first_batch_of_a_data_loader_is_the_input_and_no_other_is_read():
    rows = Pairs()
    cost = measure(layer, loader=DataLoader(rows, batch_size=5))
    assert cost.inputs == "float32 (5, 8)"
    assert cost.macs == 5 * 8 * 4
    assert rows.read == [0, 1, 2, 3, 4]


def test_workers_that_read_ahead_are_not_started(monkeypatch):
    def started(self):
        raise AssertionError("a worker was started")

    monkeypatch.setattr("multiprocessing.process.BaseProcess.start", started)
    loader = DataLoader(rows := Pairs(), batch_size=3, num_workers=2, timeout=7, persistent_workers=True)
    assert measure(layer, loader=loader).inputs == "float32 (3, 8)"
    assert rows.read == [0, 1, 2]
    assert (loader.num_workers, loader.timeout) == (2, 7)


def test_random_states_are_left_as_they_were():
    class Noisy(Pairs):
        def __getitem__(self, index):
            random.random(), numpy.random.rand(), torch.rand(1)
            return super().__getitem__(index)

    generator = torch.Generator().manual_seed(3)
    rows = Noisy()
    for loader in (
        DataLoader(rows, batch_size=2, shuffle=True),
        DataLoader(rows, batch_size=2, shuffle=True, generator=generator),
        DataLoader(rows, batch_size=2, sampler=RandomSampler(rows, generator=generator)),
    ):
        before = random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state(), generator.get_state()
        measure(layer, loader=loader)
        after = random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state(), generator.get_state()
        assert before[:2] == after[:2]
        assert all(torch.equal(a, b) for a, b in zip(before[2:], after[2:], strict=True))


def batches():
    """Gives one batch, and fails a reader that wants more."""
    yield torch.zeros(6, 8)
    raise AssertionError("a second batch was read")


@pytest.mark.parametrize(
    "loader",
    [
        [torch.zeros(6, 8)],
        (torch.zeros(6, 8), torch.zeros(1, 1)),
        batches,
        lambda: [(torch.zeros(6, 8), torch.zeros(6))],
        [{"input": torch.zeros(6, 8), "labels": torch.zeros(6)}],
        [[torch.zeros(6, 8), torch.zeros(6)]],
    ],
)
def test_any_iterable_and_what_makes_one(loader):
    assert measure(layer, loader=loader).macs == 6 * 8 * 4


def test_an_iterator_is_read_once_however_often_it_is_counted():
    iterator = batches()
    assert measure(layer, loader=iterator).macs == 6 * 8 * 4
    found = sweep(layer, loader=iterator, mode="infer,train", optimizer="none")
    assert [cell.values["macs"] for cell in found] == [6 * 8 * 4, 2 * 6 * 8 * 4]


def test_what_makes_one_gets_sizes_by_name():
    def made(batch, seq):
        return DataLoader([torch.zeros(seq, 8)] * 10, batch_size=batch)

    assert measure(layer, loader=made, batch=3, seq=5).inputs == "float32 (3, 5, 8)"


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 4)

    def forward(self, ids, mask, labels=None):
        assert labels is None
        return self.layer(ids) * mask

    def encode(self, ids):
        return self.layer(ids)

    def training_step(self, batch, batch_idx):
        ids, mask, labels = batch
        return ((self(ids, mask) - labels) ** 2).sum()


THREE = [(torch.zeros(2, 8), torch.ones(2, 4), torch.ones(2, 4))]


def test_as_many_parts_as_what_is_called_must_be_given():
    assert measure(Two, loader=THREE).inputs == "float32 (2, 8), float32 (2, 4)"
    assert measure(Two, loader=THREE, method="encode").inputs == "float32 (2, 8)"
    step = measure(Two, loader=THREE, mode="train", step="training_step", optimizer="sgd")
    assert step.inputs == "float32 (2, 8), float32 (2, 4), float32 (2, 4)"
    parts = [{"ids": torch.zeros(2, 8), "mask": torch.ones(2, 4), "names": ["a", "b"]}]
    assert measure(Two, loader=parts).inputs == "ids=float32 (2, 8), mask=float32 (2, 4)"


def test_an_object_is_one_argument_as_it_is():
    class Batch:
        def __init__(self):
            self.x = torch.zeros(2, 8)

    class Of(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 4)

        def forward(self, batch):
            return self.layer(batch.x)

    assert measure(Of, loader=[Batch()]).macs == 2 * 8 * 4
    assert measure(Of, loader=[Batch()], mode="train", optimizer="none").macs == 2 * 2 * 8 * 4


def raises():
    raise LookupError("no such split")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loader": []}, "loader= gave no batch: the list is empty."),
        ({"loader": 5}, "loader=5 is not a loader. Allowed: a DataLoader, any iterable of batches, or a callable"),
        ({"loader": "train"}, "loader='train' is a text. The name of a fixture is for @budget; here, give the value"),
        ({"inputs": "batch"}, "inputs='batch' is a text."),
        ({"loader": [1], "inputs": (2, 8)}, "Both inputs= and loader= are given. Leave one out"),
        ({"loader": raises}, "loader= raised LookupError: no such split\n"),
        ({"loader": lambda seq: []}, "loader= <lambda>() needs the argument 'seq'. Add seq=."),
        ({"loader": lambda split: []}, "loader= <lambda>() needs the argument 'split'."),
    ],
)
def test_what_cannot_be_meant(arguments, message):
    with pytest.raises(UsageError) as raised:
        measure(layer, **arguments)
    assert message in str(raised.value)
