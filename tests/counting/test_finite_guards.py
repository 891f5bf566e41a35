"""Guards for finite values: their outcome is known on the meta device, and that of any other test of values is not.

Every model here is ``Linear(8, 4)`` on 2 rows: 2 * 8 * 4 = 64 multiply-adds for each call, twice that more for the two
products of its backward pass (the input has no gradient: 64 + 64 in a training step).
"""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

from pytest_modelbudget import measure


class Guarded(nn.Module):
    """Calls its layer once where ``guard`` is true of its output, and twice where it is not."""

    def __init__(self, guard):
        super().__init__()
        self.layer = nn.Linear(8, 4)
        self.guard = guard

    def forward(self, x):
        y = self.layer(x)
        return y if self.guard(y) else self.layer(x)


HOLDS = {
    "isfinite all": lambda y: torch.isfinite(y).all(),
    "not isnan any": lambda y: not y.isnan().any(),
    "all of isfinite": lambda y: torch.all(torch.isfinite(y)),
    "item": lambda y: not torch.isinf(y).any().item(),
    "negated": lambda y: (~torch.isnan(y)).all(),
    "logical_not": lambda y: torch.logical_not(torch.isneginf(y)).all(),
    "joined by or": lambda y: not (torch.isnan(y) | torch.isinf(y)).any(),
    "joined by and": lambda y: torch.logical_and(torch.isfinite(y), ~y.isposinf()).all(),
    "by dimension": lambda y: torch.isfinite(y).all(-1).all(),
    "a part": lambda y: torch.isfinite(y)[0].all(),
    "on the host": lambda y: torch.isfinite(y).all().cpu().item(),
    "of a sum": lambda y: torch.isfinite(y.sum()),
    "itself": lambda y: (y == y).all(),
    "not itself": lambda y: not (y != y).any(),
    "assertion": lambda y: torch._is_all_true(y > y.mean()),
}


@pytest.mark.parametrize(("mode", "macs"), [("infer", 64), ("train", 128)])
@pytest.mark.parametrize("guard", HOLDS)
def test_a_guard_holds_on_meta(guard, mode, macs):
    cost = measure(Guarded(HOLDS[guard]), inputs=(2, 8), mode=mode, optimizer="none" if mode == "train" else None)
    assert (cost.macs, cost.executed, cost.notes) == (macs, "meta", ())


def changed(y):
    bad = torch.isnan(y)
    bad |= y.abs() < 1e9
    return not bad.any()


def written(y):
    bad = torch.isnan(y)
    bad[0] = y[0].abs() < 1e9
    return not bad.any()


def written_out(y):
    bad = torch.isnan(y)
    torch.logical_or(bad, y.abs() < 1e9, out=bad)
    return not bad.any()


DATA = {
    "a comparison": lambda y: (y > 1e9).any(),
    "another tensor": lambda y: (y == y + 1).all(),
    "joined with data": lambda y: (torch.isfinite(y) & (y > 1e9)).all(),
    "changed in place": changed,
    "written in part": written,
    "written by out=": written_out,
}


@pytest.mark.parametrize("guard", DATA)
def test_what_is_not_a_guard_alone_is_data(guard):
    """All of them are false of real values, where the layer is called twice."""
    cost = measure(Guarded(DATA[guard]), inputs=(2, 8))
    assert (cost.macs, cost.executed) == (2 * 64, "real")


def test_of_no_elements_all_is_true_and_any_is_false():
    cost = measure(Guarded(lambda y: torch.isnan(y[:0]).all()), inputs=(2, 8))
    assert cost.macs == 64


def test_a_guard_that_fails_is_not_on_the_way():
    class Checks(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 4)

        def forward(self, x):
            y = self.layer(x)
            if not torch.isfinite(y).all():
                raise ValueError("not finite")
            assert not x.isnan().any()
            return y

    cost = measure(Checks, inputs=(2, 8))
    assert (cost.macs, cost.executed) == (64, "meta")


D = torch.distributions
CHECKED_BY_ASSERTION = "valid.all()" not in inspect.getsource(D.Distribution.__init__)
"""Before PyTorch 2.8 a distribution that checks its arguments reads values, as any model may."""

READ_BEFORE = {"log_prob", "one hot", "normal", "kl", "independent", "asked for"}
"""The samples that then do."""

SAMPLES = {
    "categorical": lambda y: D.Categorical(logits=y).sample(),
    "log_prob": lambda y: D.Categorical(logits=y).log_prob(torch.zeros(2)),
    "one hot": lambda y: D.OneHotCategorical(probs=y.softmax(-1)).sample(),
    "bernoulli": lambda y: D.Bernoulli(logits=y).sample(),
    "normal": lambda y: D.Normal(y, y.exp()).rsample(),
    "kl": lambda y: D.kl_divergence(D.Normal(y, y.exp()), D.Normal(torch.zeros(4), torch.ones(4))),
    "independent": lambda y: D.Independent(D.Laplace(y, y.exp()), 1).rsample(),
    "asked for": lambda y: D.Exponential(y.exp(), validate_args=True).rsample(),
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_distributions_validate_their_arguments_on_meta(sample, monkeypatch):
    monkeypatch.setattr(D.Distribution, "_validate_args", True)  # PyTorch's default, which its compiler turns off

    class Policy(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 4)

        def forward(self, x):
            return SAMPLES[sample](self.layer(x))

    cost = measure(Policy, inputs=(2, 8))
    assert cost.macs == 64
    if sample in READ_BEFORE and not CHECKED_BY_ASSERTION:
        assert (cost.executed, len(cost.notes)) == ("meta" if sample == "log_prob" else "real", 1)
    else:
        assert (cost.executed, cost.notes) == ("meta", ())


def test_anomaly_detection_stays_on_meta():
    with torch.autograd.set_detect_anomaly(True):
        cost = measure(lambda: nn.Linear(8, 4), inputs=(2, 8), mode="train", optimizer="none")
    assert (cost.macs, cost.executed) == (128, "meta")
