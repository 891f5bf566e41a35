"""`fit` finds what brute force finds, and one step more is over."""

from __future__ import annotations

from typing import NamedTuple

import hypothesis.strategies as st
import pytest
import timm
import torch
import torchvision
from grid_models import Above, Chunks, Mixing, Recurrent, Rows, UNet, WithMemory, gpt
from hypothesis import given, settings
from torch import nn

from pytest_modelbudget import BudgetError, ModelError, UsageError, fit, measure
from pytest_modelbudget.judging.search import Look, Search
from pytest_modelbudget.values.metrics import parse_limit


def brute_force(factory, size, values, limits, **rest):
    """The largest of the values that is accepted and within every limit, by counting each."""
    limits = {metric: parse_limit(limit, metric) for metric, limit in limits.items()}
    best = None
    for value in values:
        try:
            cost = measure(factory, **{size: value}, **rest)
        except BudgetError:
            continue
        if all(cost.metric(metric) <= limit for metric, limit in limits.items()):
            best = value
    return best


def dynamic_vit():
    return timm.create_model("vit_tiny_patch16_224", dynamic_img_size=True)


class Case(NamedTuple):
    factory: object
    size: str
    values: range
    limits: dict
    rest: dict


class Frugal(Rows):
    """Cheaper again from a batch of 40 on."""

    def by_batch(self, x):
        return x if 40 <= x.shape[0] < 60 else self.layer(x)


CASES = [
    Case(torchvision.models.resnet18, "res", range(90, 130), {"flops": "0.5G"}, {"batch": 1}),
    Case(torchvision.models.resnet18, "batch", range(1, 20), {"flops": "2G", "activations": "7M"}, {"res": 96}),
    Case(torchvision.models.mobilenet_v3_small, "res", range(80, 120), {"macs": "30M", "params": "3M"}, {"batch": 2}),
    Case(torchvision.models.swin_t, "res", range(100, 120), {"flops": "2G"}, {"batch": 1}),
    Case(torchvision.models.vit_b_16, "batch", range(1, 9), {"flops": "100G"}, {"res": 224}),
    Case(torchvision.models.vit_b_16, "res", range(214, 240), {"flops": "20G"}, {"batch": 1}),
    Case(dynamic_vit, "res", range(264, 290), {"flops": "2G"}, {"batch": 1}),
    Case(UNet, "res", range(1, 220), {"activations": "400k"}, {"batch": 1}),
    Case(UNet, "batch", range(1, 60), {"flops": "30M"}, {"res": 64}),
    Case(Mixing, "batch", range(1, 200), {"macs": "100k"}, {"res": 8}),
    Case(Above, "batch", range(1, 100), {"macs": "2k"}, {"res": 8}),
    Case(Chunks, "batch", range(1, 200), {"macs": "10k"}, {"res": 8}),
    Case(WithMemory, "batch", range(1, 200), {"macs": "6400"}, {"res": 8}),
    Case(Frugal, "batch", range(1, 100), {"macs": "1k"}, {"res": 8}),
    Case(lambda: nn.Conv2d(3, 4, 7), "res", range(1, 100), {"flops": "1M"}, {"batch": 1}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{getattr(case.factory, '__name__', '')}-{case.size}")
def test_as_brute_force(case):
    best = brute_force(case.factory, case.size, case.values, case.limits, **case.rest)
    found = fit(case.factory, **case.limits, **case.rest)
    value = getattr(found, case.size)
    assert (value[0] if isinstance(value, tuple) else value) == best
    assert best is not None
    one = found.found[0]
    for metric, used in one.values.items():
        assert used == measure(case.factory, **{case.size: best}, **case.rest).metric(metric)
        assert found.left(one)[metric] == parse_limit(case.limits[metric], metric) - used >= 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{getattr(case.factory, '__name__', '')}-{case.size}")
def test_one_step_more_is_over_or_refused(case):
    one = fit(case.factory, **case.limits, **case.rest).found[0]
    if one.next is None:
        assert one.refused
        return
    value = getattr(one.next, case.size)
    assert value > getattr(one.point, case.size)
    over = measure(case.factory, **{case.size: value}, **case.rest).metric(one.binds)
    assert over == one.beyond[one.binds] > parse_limit(case.limits[one.binds], one.binds)


@pytest.mark.parametrize(
    ("factory", "values", "limits", "rest"),
    [
        (gpt, range(8, 65, 8), {"flops": "2M"}, {"batch": 1}),
        (gpt, range(1, 65), {"flops": "1M"}, {"batch": 1}),
        (Recurrent, range(1, 200), {"macs": "100k"}, {"batch": 2}),
    ],
)
def test_sequences(factory, values, limits, rest):
    best = brute_force(factory, "seq", values, limits, **rest)
    assert fit(factory, **limits, seq=list(values), **rest).seq == best
    assert best not in (None, values[-1])


@settings(max_examples=300)
@given(
    st.integers(1, 400).map(lambda limit: limit * 10),
    st.sampled_from([1, 2, 3]),
    st.sampled_from([1, 2, 4, 7, 32]),
    st.integers(1, 3),
    st.integers(0, 60),
)
def test_the_search_is_brute_force_wherever_cost_grows(limit, power, step, stairs, fixed):
    """Costs that grow in stairs, on sizes that are multiples of a step."""

    def look(size):
        return Look(refused="no") if size % step else Look({"flops": fixed + (size // (stairs * step)) ** power})

    allowed = [s for s in range(step, 5000, step) if not look(s).over({"flops": limit})]
    search = Search(look, {"flops": limit}, cap=4999, power=1.0)
    assert search.largest(step * 8) == max(allowed, default=None)


def test_a_cost_that_hardly_grows():
    """A step that takes little beside what is there from the start, as a small model of a card."""
    search = Search(lambda size: Look({"footprint": 1_000_000 + size}), {"footprint": 10**8}, cap=1 << 16)
    assert search.largest(8) == 1 << 16


def test_refused_below_and_above():
    def look(size):
        return Look({"flops": size}) if 10 <= size <= 90 else Look(refused="no")

    assert Search(look, {"flops": 50}, cap=1000).largest(64) == 50
    assert Search(look, {"flops": 500}, cap=1000).largest(64) == 90
    assert Search(look, {"flops": 12}, cap=1000).largest(64) == 12
    assert Search(look, {"flops": 9}, cap=1000).largest(64) is None


def test_which_limit_binds_and_what_is_left():
    """By hand: 12 multiply-adds and 4 outputs for each of 64 pixels, 16 parameters."""
    found = fit(lambda: nn.Conv2d(3, 4, 1), res=8, flops=7680, activations=2000, params=100)
    (one,) = found.found
    assert (found.batch, one.binds, dict(one.beyond)) == (
        7,
        "activations",
        {"flops": 8 * 768, "params": 16, "activations": 8 * 256},
    )
    assert found.left(one) == {"flops": 7680 - 7 * 768, "params": 84, "activations": 2000 - 7 * 256}
    assert fit(lambda: nn.Conv2d(3, 4, 1), res=8, flops=7680, activations=2560).found[0].point.batch == 10


def test_the_front():
    """Both open: at each resolution no larger batch is possible."""
    limits = {"flops": 768 * 100}
    found = fit(lambda: nn.Conv2d(3, 4, 1), **limits)
    points = [(one.point.batch, one.point.res[0]) for one in found.found]
    assert len(points) > 3
    for batch, res in points:
        assert batch * res * res <= 6400 < (batch + 1) * res * res
    assert points[0] == (1, 80)
    assert sorted(points) == points
    assert [res for _, res in points] == sorted({res for _, res in points}, reverse=True)


def test_a_model_of_one_size_has_a_front_of_one():
    found = fit(torchvision.models.vit_b_16, flops="40G")
    assert [(one.point.batch, one.point.res) for one in found.found] == [(2, (224, 224))]


def test_nothing_fits():
    found = fit(torchvision.models.vit_b_16, flops="1G", res=224)
    assert not found
    assert found.batch is None
    assert (found.least.point.batch, found.least.binds) == (1, "flops")


def test_no_limit_binds():
    one = fit(lambda: nn.Conv2d(3, 4, 1), res=8, params=100).found[0]
    assert (one.point.batch, one.next, one.binds) == (1 << 16, None, "")


def test_everything_given_is_only_checked():
    conv = nn.Conv2d(3, 4, 1)
    assert fit(conv, batch=2, res=8, flops=2 * 768)
    assert not fit(conv, batch=2, res=8, flops=2 * 768 - 1)
    assert fit(conv, batch=[1, 2, 3], res=8, flops=2 * 768).batch == 2


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({}, "There is no limit to keep"),
        ({"fits": False, "device": "T4"}, "There is no limit to keep"),
        ({"fits": False, "device": "T4"}, "latency, footprint, such as flops='10G', or fits=True"),
        ({"device": "laptop CPU"}, "latency, such as flops='10G'. device='laptop CPU' is no GPU"),
        ({"flops": "10 bananas"}, "'bananas' is not a unit of flops"),
        ({"flops": -1}, "flops=-1"),
        ({"flop": "1G"}, "'flop' is not an argument"),
        ({"flops": 1, "batch": 0}, "batch=0 is not a whole number above zero"),
        ({"flops": 1, "res": "9:1"}, "res='9:1' is empty"),
        ({"flops": 1, "res": [(1, 2), (3, 4)]}, "only square pictures are searched"),
        ({"flops": 1, "res": [1, 2], "seq": [1, 2], "batch": [1, 2]}, "Two sizes can be searched at once"),
    ],
)
def test_bad_input(keywords, message):
    with pytest.raises(UsageError) as caught:
        fit(nn.Conv2d(3, 4, 1), **keywords)
    assert message in str(caught.value)


def test_a_model_that_takes_no_picture():
    with pytest.raises(ModelError, match=r"refuses every size tried, such as batch 1, res 224, .* needs seq="):
        fit(lambda: nn.Embedding(3, 4), flops=1)


def test_uncounted_operators_are_no_basis_for_a_fit():
    torch.library.define("fits::unknown", "(Tensor x) -> Tensor")
    torch.library.impl("fits::unknown", "default", lambda x: x.clone())
    torch.library.register_fake("fits::unknown", lambda x: torch.empty_like(x))

    class Net(nn.Module):
        def forward(self, x):
            return torch.ops.fits.unknown(x)

    with pytest.raises(ModelError, match="Operators without a formula make the numbers too low: fits::unknown"):
        fit(Net(), flops=1, res=8)
