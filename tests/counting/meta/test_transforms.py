"""Composite operators that PyTorch decomposes in its function transforms are counted as one all the same."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pytest_modelbudget import ModelError, measure
from pytest_modelbudget.counting.pytorch import private


class Calls(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def pool(x):
    return F.adaptive_avg_pool2d(x, 1)


def out_of_inference_mode(x):
    with torch.inference_mode(False):
        return pool(x.clone())


def out_and_in_again(x):
    with torch.inference_mode(False):
        out_of_inference_mode(x)
        with torch.inference_mode():
            pass
        return pool(x.clone())


@torch.inference_mode(False)
def as_a_decorator(x):
    return pool(x.clone())


ELEMENTS = 2 * 3 * 4 * 4  # fvcore counts one FLOP for each input element

TRANSFORMED = {
    "none": (pool, 1),
    "vmap": (torch.func.vmap(pool), 1),
    "vmap in vmap": (torch.func.vmap(torch.func.vmap(lambda x: pool(x[None]))), 1),
    "vmap in chunks": (torch.func.vmap(pool, chunk_size=1), 1),
    "jvp": (lambda x: torch.func.jvp(pool, (x,), (x,))[0], 1),
    "functionalize": (torch.func.functionalize(pool), 1),
    "vmap, and then none": (lambda x: (torch.func.vmap(pool)(x), pool(x)), 2),
    "out of inference mode": (out_of_inference_mode, 1),
    "out of it twice": (out_and_in_again, 2),
    "out of it by a decorator": (as_a_decorator, 1),
}


@pytest.mark.parametrize("name", TRANSFORMED)
def test_pooling_is_counted_once(name):
    function, times = TRANSFORMED[name]
    cost = measure(Calls(function), inputs=(2, 3, 4, 4))
    assert cost.flops == times * ELEMENTS
    assert cost.by_operator() == {"adaptive_avg_pool2d": times * ELEMENTS}


def test_nothing_of_it_is_left():
    def parts():
        return [
            *(place.value for place in vars(private).values() if isinstance(place, private.Place)),
            torch.inference_mode.__enter__,
            torch.inference_mode.__exit__,
        ]

    def fails(x):
        with torch.inference_mode(False):
            return torch.func.vmap(lambda x: x @ x)(x)

    before = parts()
    measure(Calls(pool), inputs=(2, 3, 4, 4))
    with pytest.raises(ModelError):
        measure(Calls(fails), inputs=(2, 3, 4, 5))
    assert parts() == before
