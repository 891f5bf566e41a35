"""``scaling=``: exponents between octaves. Honest models pass, planted regressions fail and are named."""

from __future__ import annotations

import json
import math

import hypothesis.strategies as st
import pytest
import timm
import torch
import torchvision
from grid_models import Recurrent, Rows, UNet, gpt
from hypothesis import given
from suites import assert_clear, outcomes, properties, run
from torch import nn

from pytest_modelbudget import UsageError, measure
from pytest_modelbudget.counting.recording.course import record_course
from pytest_modelbudget.judging.scaling import measure_scaling, parse_scaling
from pytest_modelbudget.values.verdict import Scaled

IMAGES = {"batch": 1, "res": 2, "params": 0}


def scaled(factory, allowed, *, module="", **point):
    """How a model grows, and what could not be measured."""

    def count(at):
        with record_course() as recorder:
            where = {"batch": at.batch, "res": at.res, "seq": at.seq}
            return measure(factory, **where), recorder.course()

    return measure_scaling(parse_scaling(allowed, ()), measure(factory, **point), count, module=module)


class WithoutPadding(nn.Module):
    """As the first U-Nets: every convolution takes from the border, which matters less the larger the image."""

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3))
        self.deep = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(16, 16, 3), nn.Conv2d(16, 16, 3))
        self.up = nn.Sequential(nn.ConvTranspose2d(16, 8, 2, 2), nn.Conv2d(8, 4, 3))

    def forward(self, image):
        return self.up(self.deep(self.down(image)))


def fcn():
    return torchvision.models.segmentation.fcn_resnet50(weights=None, weights_backbone=None)


def wavenet():
    return nn.Sequential(nn.Embedding(9, 8), Turned(), nn.Conv1d(8, 8, 3), nn.Conv1d(8, 4, 3, dilation=4))


class Turned(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)


class Steps(nn.Module):
    """A loop over the sequence."""

    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(4, 4)

    def forward(self, ids):
        state = torch.zeros(ids.shape[0], 4, device=ids.device)
        for step in range(ids.shape[1]):
            state = self.cell(ids[:, step, None].float().expand(-1, 4), state)
        return state


@pytest.mark.parametrize(
    ("factory", "allowed", "point"),
    [
        (torchvision.models.resnet50, IMAGES, {"res": 224}),
        (torchvision.models.resnet18, IMAGES, {"res": 97, "batch": 3}),
        (torchvision.models.mobilenet_v3_small, IMAGES, {"res": 224}),
        (torchvision.models.efficientnet_b0, IMAGES, {"res": 224}),
        (torchvision.models.squeezenet1_1, IMAGES, {"res": 224}),
        (torchvision.models.vgg11, IMAGES, {"res": 224}),
        (torchvision.models.swin_t, IMAGES, {"res": 224}),
        (torchvision.models.swin_v2_t, IMAGES, {"res": 160}),
        (lambda: timm.create_model("convnext_atto"), IMAGES, {"res": (96, 160)}),
        (fcn, IMAGES, {"res": 97}),
        (UNet, IMAGES, {"res": 64}),
        (WithoutPadding, IMAGES, {"res": 40}),
        (torchvision.models.vit_b_16, {"batch": 1}, {"res": 224}),
        (lambda: timm.create_model("vit_tiny_patch16_224", dynamic_img_size=True), {"res": 4, "batch": 1}, {"res": 96}),
        (gpt, {"batch": 1, "seq": 2, "params": 0}, {"seq": 16}),
        (Recurrent, {"batch": 1, "seq": 1, "params": 0}, {"seq": 16}),
        (wavenet, {"batch": 1, "seq": 1, "params": 0}, {"seq": 20}),
        (Steps, {"batch": 1, "seq": 1, "params": 0}, {"seq": 8}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_honest_models_pass(factory, allowed, point):
    found, problems = scaled(factory, allowed, batch=point.pop("batch", 1), **point)
    assert problems == ()
    assert [one.sentence() for one in found if one.over] == []
    assert len(found) >= len(allowed)


class Net(nn.Module):
    """A network whose middle part is planted."""

    def __init__(self, middle):
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 7, stride=4, padding=3)
        self.middle = middle
        self.tail = nn.Conv2d(64, 64, 3, padding=1)
        self.head = nn.Linear(64, 10)

    def forward(self, image):
        return self.head(self.tail(self.middle(self.stem(image))).mean((2, 3)))


class GlobalAttention(nn.Module):
    """At 1/64 of the resolution and in 2 channels: a part in a million of the whole, and quartic."""

    def __init__(self):
        super().__init__()
        self.shrink = nn.Conv2d(64, 2, 16, stride=16)

    def forward(self, x):
        tokens = self.shrink(x).flatten(2).transpose(1, 2)
        return x + nn.functional.scaled_dot_product_attention(tokens, tokens, tokens).mean()


class MixesTheBatch(nn.Module):
    def forward(self, x):
        rows = x.mean((2, 3))[:, :4]
        return x + (rows @ rows.T).mean()


def test_global_attention_is_caught():
    found, problems = scaled(lambda: Net(GlobalAttention()), IMAGES, batch=1, res=224)
    (over,) = [one for one in found if one.over]
    assert problems == ()
    assert (over.dimension, over.module, over.operator) == ("res", "middle", "scaled_dot_product_attention")
    assert (over.low, over.high) == (224 * 32, 224 * 64)
    tokens = (224 * 32 // 64) ** 2  # by hand: two products of 2 channels over all pairs of tokens
    assert (over.before, over.after) == (2 * 2 * tokens**2, 16 * 2 * 2 * tokens**2)
    assert over.sentence() == (
        "over budget: flops grow as res^4.00, allowed is res^2: scaled_dot_product_attention in 'middle', "
        "629 M at res 7168, 10.1 G at 14336"
    )


def test_mixing_the_batch_is_caught():
    found, _ = scaled(lambda: Net(MixesTheBatch()), IMAGES, batch=2, res=64)
    (over,) = [one for one in found if one.over]
    assert (over.dimension, over.module, over.operator) == ("batch", "middle", "matmul")
    assert (over.before, over.after) == (4 * 64**2, 4 * 128**2)


def test_a_head_that_depends_on_the_resolution_is_caught():
    def factory(res):
        return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * res * res, 5))

    found, _ = scaled(factory, IMAGES, batch=1, res=8)
    (over,) = [one for one in found if one.over]
    assert (over.metric, over.dimension, over.module) == ("params", "res", "2")
    assert (over.before, over.after) == (4 * 64 * 5 + 5, 4 * 256 * 5 + 5)
    assert over.sentence() == "over budget: params depend on res in '2': 1.28 k at res 8, 5.12 k at 16"

    def fixed():
        return factory(8)

    _, (problem,) = scaled(fixed, IMAGES, batch=1, res=8)
    assert problem.startswith("scaling not measured: the model takes no other res than 8\n    The model raised Runtime")


def test_what_comes_up_between_two_octaves_is_caught():
    class Sudden(Rows):
        def by_batch(self, x):
            return self.layer(x) @ x.T if x.shape[0] > 40 else self.layer(x)

    found, _ = scaled(Sudden, {"batch": 1}, batch=1, res=8)
    assert [(one.over, one.operator) for one in found] == [(True, "matmul")]


def test_only_a_module():
    found, _ = scaled(lambda: Net(GlobalAttention()), {"res": 2}, batch=1, res=224, module="tail")
    assert [one.over for one in found] == [False]
    found, _ = scaled(lambda: Net(GlobalAttention()), {"res": 2}, batch=1, res=224, module="middle")
    assert [one.over for one in found] == [True]


def test_half_is_compared_where_twice_is_refused():
    class Short(nn.Module):
        def forward(self, ids):
            assert ids.shape[1] <= 16
            x = ids.float()[..., None]
            return x @ x.transpose(1, 2)

    (one,), problems = scaled(Short, {"seq": 1}, batch=1, seq=16)
    assert (problems, one.low, one.high, one.before, one.after) == ((), 8, 16, 64, 256)
    assert one.over


def test_a_model_that_needs_data_is_compared_at_the_next_octave():
    class Reads(Rows):
        def by_batch(self, x):
            return self.layer(x) if x.sum().item() < 1e9 else x

    (one,), _ = scaled(Reads, {"batch": 1}, batch=1, res=8)
    assert (one.low, one.high, one.before, one.after, one.over) == (1, 2, 64, 128, False)


@given(st.integers(1, 10**12), st.integers(1, 10**12), st.sampled_from(["0", "1", "2", "1.5", "0.25"]))
def test_the_exponent_is_compared_exactly(before, after, allowed):
    one = Scaled("flops", "res", allowed, 1, 2, before, after)
    difference = math.log2(after / before) - float(allowed) - 0.1
    if abs(difference) > 1e-9:
        assert one.over == (difference > 0)
    params = Scaled("params", "res", allowed, 1, 2, before, after)
    if allowed == "0":
        assert params.over == (before != after)


def test_a_margin_of_a_tenth():
    """2 ** 2.1 is 4.2870..."""
    assert not Scaled("flops", "res", "2", 1, 2, 10_000, 42_870).over
    assert Scaled("flops", "res", "2", 1, 2, 10_000, 42_871).over
    assert Scaled("params", "res", "1", 1, 2, 10, 21).over
    assert not Scaled("params", "res", "1", 1, 2, 10, 20).over


def test_what_is_not_there_cannot_grow():
    with pytest.raises(UsageError, match="the operating point has no seq"):
        scaled(UNet, {"seq": 1}, batch=1, res=32)


PLANTED = """
class Mix(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, image):
        rows = self.conv(image).mean((2, 3))
        return rows @ rows.T


@budget(model=Mix, scaling={"batch": 1, "res": 2}, batch=2, res=8)
def test_it(): ...
"""


def test_in_a_test(pytester):
    result = run(pytester, PLANTED, "--budget-report=report.json", "--budget-report=report.md")
    assert outcomes(result) == {"failed": 1}
    sentence = "over budget: flops grow as batch^2.00, allowed is batch^1: matmul, 16.4 k at batch 64, 65.5 k at 128"
    assert_clear(result, sentence, "grows as batch^2.00 (at most 1), res^2.00 (at most 2)")
    assert [line.partition("  ")[0] for line in result.outlines].count(sentence) == 1
    report = json.loads((pytester.path / "report.json").read_text())
    assert report["results"][0]["verdict"]["scaling"][0]["module"] == ""
    assert sentence in (pytester.path / "report.md").read_text()
    found = dict(properties(result))
    assert (found["modelbudget.scaling.batch"], found["modelbudget.scaling.batch.limit"]) == ("2.00", "1")


def test_a_report_with_scaling_can_be_read(pytester):
    from pytest_modelbudget.report.formats.json import from_json
    from pytest_modelbudget.report.formats.json import render as to_json

    run(pytester, PLANTED, "--budget-report=report.json")
    text = (pytester.path / "report.json").read_text()
    assert to_json(from_json(text, "report.json")) == text
    for wrong in ('"allowed": "x"', '"allowed": "-1"', '"allowed": "2.0"'):
        with pytest.raises(Exception, match="is not an exponent"):
            from_json(text.replace('"allowed": "2"', wrong), "report.json")


def test_scaling_alone_is_a_budget_and_passes(pytester):
    source = """
        @budget(model=Pixels, scaling={"batch": 1, "res": 2, "params": 0}, res=8)
        def test_it(): ...
    """
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 1}
    assert_clear(result, "grows as batch^1.00 (at most 1), res^2.00 (at most 2), params as batch^0.00 (at most 0)")


def test_a_test_that_builds_for_its_resolution(pytester):
    source = """
        @budget(scaling={"params": 0}, batch=1)
        @pytest.mark.parametrize("res", [8])
        def test_it(res):
            return nn.Sequential(nn.Flatten(), nn.Linear(3 * res * res, 5))
    """
    result = run(pytester, source)
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, "over budget: params depend on res in '1': 965 at res 8, 3.84 k at 16")


def test_a_model_of_one_resolution_is_told_so(pytester):
    source = """
        @budget(scaling={"res": 2}, flops="1G", res=8)
        def test_it():
            return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5))
    """
    result = run(pytester, source)
    assert outcomes(result) == {"failed": 1}
    assert_clear(
        result, "scaling not measured: the model takes no other res than 8", "Let it take twice or half of that"
    )


def test_two_planted_at_once_are_both_told():
    class Both(nn.Module):
        def forward(self, image):
            rows = image[:, 0].flatten(1)
            return (rows @ rows.T).sum() + (rows.T @ rows).sum()

    found, _ = scaled(Both, {"batch": 1, "res": 2}, batch=2, res=4)
    assert [one.over for one in found] == [True, True]
