"""Counts from several threads at once, inside of each other, and again and again: each is as if it were alone."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.overrides import _get_current_function_mode_stack
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from pytest_modelbudget import ModelError, measure
from pytest_modelbudget.counting.meta import cache

KINDS = (
    (lambda width: nn.Conv2d(3, width, 1, bias=False), {"res": 4}, lambda width: 16 * 3 * width),
    (lambda width: nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, width)), {"seq": 5}, lambda width: 5 * 4 * width),
    # the output and the weight's gradient; the input needs none
    (lambda width: nn.Linear(4, width), {"inputs": (5, 4), "mode": "train"}, lambda width: 2 * 5 * 4 * width),
    (lambda width: nn.LSTM(4, width), {"inputs": (5, 2, 4)}, lambda width: 5 * 2 * 4 * (4 + width) * width),
)
"""Factories, what they are measured at, and their FLOPs by hand, all by their width."""


def measured(number: int) -> tuple[int, int]:
    """The FLOPs of the model of that number: as counted, and by hand."""
    factory, arguments, flops = KINDS[number % len(KINDS)]
    width = 2 + number % 7
    return measure(lambda: factory(width), **arguments).flops, flops(width)


def test_threads_count_each_their_own_model():
    stacks = []

    def task(number):
        pair = measured(number)
        stacks.extend([*_get_current_dispatch_mode_stack(), *_get_current_function_mode_stack()])
        return pair

    with ThreadPoolExecutor(8) as pool:
        pairs = list(pool.map(task, range(160)))
    assert [counted for counted, _ in pairs] == [by_hand for _, by_hand in pairs]
    assert stacks == []
    assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).device.type == "cpu"


def test_a_factory_may_measure():
    def factory():
        return nn.Linear(4, measured(0)[0] // 12)  # 16 * 3 * 2 / 12

    assert measure(factory, inputs=(1, 4)).flops == 4 * 8


def test_a_count_that_fails_does_not_keep_the_others_waiting():
    class Broken(nn.Module):
        def forward(self, x):
            raise ValueError("broken")

    def fail():
        with pytest.raises(ModelError, match="broken"):
            measure(Broken, inputs=(1, 4))

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    other = threading.Thread(target=measured, args=(0,), daemon=True)
    other.start()
    other.join(30)
    assert not other.is_alive()


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_counting_again_keeps_nothing(number):
    """The cache of what operators return knows a call again, whatever objects its arguments are."""
    for _ in range(3):
        measured(number)
    gc.collect()
    known, objects = len(cache._CACHE), len(gc.get_objects())
    for _ in range(20):
        measured(number)
    gc.collect()
    assert len(cache._CACHE) == known
    assert len(gc.get_objects()) - objects < 20  # less than one for each
