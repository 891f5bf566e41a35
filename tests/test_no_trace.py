"""Measuring leaves no trace: awkward models in every situation, compared with what they were byte for byte."""

from __future__ import annotations

import random

import awkward
import fingerprint
import numpy
import pytest
import torch
from torch import nn

from pytest_modelbudget import ModelError, measure
from pytest_modelbudget.core.measure import attempt


class Outer(nn.Module):
    """A model, and what happens once it ran."""

    def __init__(self, inner, then=None):
        super().__init__()
        self.inner = inner
        self.then = then

    def forward(self, x):
        out = self.inner(x)
        if self.then is not None:
            self.then(out)
        return out


def read(out):
    out.sum().item()


def fail(out):
    raise ValueError("at the very end")


ROWS = (3, 4)
SITUATIONS = {
    "measured": (None, lambda model: measure(model, inputs=ROWS)),
    "in the other convention": (None, lambda model: measure(model, inputs=ROWS, convention="torch")),
    "in bf16": (None, lambda model: measure(model, inputs=ROWS, dtype="bf16")),
    "on meta with autograd": (None, lambda model: attempt(model, real=False, grad=True, inputs=ROWS)),
    "for real": (None, lambda model: attempt(model, real=True, grad=False, inputs=ROWS)),
    "for real with autograd": (None, lambda model: attempt(model, real=True, grad=True, inputs=ROWS)),
    "by fvcore": (None, lambda model: measure(model, inputs=ROWS, counter="fvcore")),
    "falls back": (read, lambda model: measure(model, inputs=ROWS)),
    "falls back in bf16": (read, lambda model: measure(model, inputs=ROWS, dtype="bf16")),
    "raises": (fail, lambda model: measure(model, inputs=ROWS)),
    "raises for real": (fail, lambda model: attempt(model, real=True, grad=False, inputs=ROWS)),
    "raises by fvcore": (fail, lambda model: measure(model, inputs=ROWS, counter="fvcore")),
}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
    random.seed(0)
    numpy.random.seed(0)


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("build", awkward.MODELS, ids=lambda build: build.__name__)
def test_nothing_changed(build, situation):
    then, run = SITUATIONS[situation]
    model = Outer(build(), then)
    before, around = fingerprint.of_model(model), fingerprint.of_process()
    if then is fail:
        with pytest.raises(ModelError, match="at the very end"):
            run(model)
    else:
        assert run(model).flops > 0
    assert fingerprint.differences(around, fingerprint.of_process()) == []
    assert fingerprint.differences(before, fingerprint.of_model(model)) == []
