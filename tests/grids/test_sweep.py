"""A sweep gives at every point what `measure` gives there, in few counts, whatever a model does with its batch."""

from __future__ import annotations

import copy
import pickle

import hypothesis.strategies as st
import pytest
import timm
import torch
import torchvision
from grid_models import (
    Above,
    AmongThese,
    AtMost,
    Chunks,
    EverySecond,
    JustAt,
    Mixing,
    Padded,
    Pairs,
    Pooled,
    Recurrent,
    Remainder,
    Rounded,
    Rows,
    UNet,
    WithMemory,
    backbone,
    gpt,
)
from hypothesis import given, settings
from releases import RELEASE
from suites import pixels
from torch import nn

import pytest_modelbudget.counting.measure
from pytest_modelbudget import ModelError, UsageError, fit, measure, sweep
from pytest_modelbudget.report.parts.conditions import conditions
from pytest_modelbudget.text import units
from pytest_modelbudget.values.metrics import metric_names

BATCHES = [1, 2, 3, 6, 9]


def assert_true(found, factory, **options):
    """Every cell is what `measure` gives at its point, to the digit."""
    for cell in found:
        point = cell.point
        where = {"batch": point.batch, "res": point.res, "seq": point.seq, "dtype": point.dtype}
        cost = measure(factory, **where, **options)
        assert cell.values == {metric: getattr(cost, metric) for metric in metric_names(line=True)}, point


@pytest.mark.parametrize(
    ("factory", "axes", "most"),
    [
        (torchvision.models.resnet18, {"res": [65, 96, 224]}, 8),
        (torchvision.models.mobilenet_v3_small, {"res": [64, 97, 160]}, 8),
        (torchvision.models.densenet121, {"res": [64]}, 4),
        (
            torchvision.models.vit_b_16,
            {"res": 224},
            4 if RELEASE >= (2, 13) else 8,
        ),  # before, batch 1 calls less
        (torchvision.models.swin_t, {"res": [64, 112, 224]}, 10),
        (torchvision.models.swin_v2_t, {"res": 256}, 4),
        (lambda: timm.create_model("vit_tiny_patch16_224", dynamic_img_size=True), {"res": [96, 112, 224]}, 10),
        (lambda: timm.create_model("convnext_atto"), {"res": [64, 100]}, 7),
        (lambda: timm.create_model("xcit_nano_12_p16_224"), {"res": [64, 224]}, 7),
        (lambda: timm.create_model("mixer_s32_224"), {"res": 224}, 4),
        (backbone, {"res": [64, 100, 224]}, 10),
        (UNet, {"res": [32, 48, 64]}, 8),
        (gpt, {"seq": [8, 17, 64]}, 8),
        (Recurrent, {"seq": [3, 10, 25]}, 8),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.AdaptiveAvgPool2d(2)), {"res": [9, 16]}, 7),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_every_cell_is_what_measure_gives(factory, axes, most):
    found = sweep(factory, batch=BATCHES, **axes)
    assert_true(found, factory)
    assert found.counts <= most


def test_a_hundred_points_of_resnet50_cost_no_more_than_15_counts(monkeypatch):
    calls = []

    def counting(*args, **keywords):
        calls.append(keywords)
        return true_count(*args, **keywords)

    true_count = pytest_modelbudget.counting.measure.count
    monkeypatch.setattr(pytest_modelbudget.counting.measure, "count", counting)
    batches = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64]
    found = sweep(torchvision.models.resnet50, batch=batches, res="224:512:32")
    assert (len(found), len(calls), found.counts) == (100, 15, 15)
    monkeypatch.undo()
    one = {res: measure(torchvision.models.resnet50, batch=1, res=res) for res in range(224, 513, 32)}
    for cell in found:  # by hand: each image is counted for itself, and weights are counted once
        alone = one[cell.point.res[0]]
        assert cell.values["flops"] == cell.point.batch * alone.flops
        assert cell.values["activations"] == cell.point.batch * alone.activations
        assert (cell.values["params"], cell.values["weights"]) == (alone.params, alone.weights)


AWKWARD = [Mixing, Above, JustAt, AmongThese, Chunks, EverySecond, Pairs, AtMost, Remainder, Padded, Rounded, Pooled]


@pytest.mark.parametrize("model", [*AWKWARD, WithMemory])
@pytest.mark.parametrize("batches", [range(1, 11), [1, 3, 4, 5, 9], [2, 4, 5, 6], [4, 8, 12, 13, 16, 20], [1, 2]])
def test_what_a_batch_decides_is_seen(model, batches):
    found = sweep(model, batch=batches, res=8)
    assert_true(found, model)


@pytest.mark.parametrize("model", AWKWARD)
def test_every_point_is_counted_where_the_batch_is_no_line(model):
    assert sweep(model, batch=range(1, 11), res=8).counts >= 10


def test_a_line_need_not_begin_at_zero():
    found = sweep(WithMemory, batch=range(1, 11), res=8)
    assert found.counts == 4
    assert [cell.values["macs"] for cell in found] == [(batch + 5) * 64 for batch in range(1, 11)]


@settings(max_examples=60)
@given(
    st.sampled_from([Above, JustAt, AmongThese, Chunks, EverySecond, Pairs, AtMost, Remainder, Padded, Rounded]),
    st.integers(1, 40),
    st.sets(st.integers(1, 60), min_size=4, max_size=7),
)
def test_no_list_of_batches_hides_a_threshold(kind, limit, batches):
    model = type("Model", (kind,), {"limit": limit})
    assert_true(sweep(model, batch=sorted(batches), res=8), model)


class BothDecide(Rows):
    """Which of two ways it takes depends on batch and resolution together."""

    def forward(self, image):
        return self.layer(image) if image.shape[0] * image.shape[2] > 100 else self.layer(self.layer(image))


def test_batch_and_resolution_together_decide():
    factory = BothDecide
    found = sweep(factory, batch=[1, 2, 4, 8, 16], res=[(5, 8), (7, 8), (9, 8), (20, 8), (90, 8)])
    assert_true(found, factory)


class ByBoth(Rows):
    """What it does with the rows of all images together depends on both sizes, in one of many ways."""

    way, limit = "product", 4

    def forward(self, image):
        batch, _, height, _ = image.shape
        rows = image[:, 0, :, :8].reshape(batch * height, 8)
        if self.way == "product":
            return self.layer(rows if batch * height > 5 * self.limit else rows[:1])
        if self.way == "sum":
            return self.layer(rows if batch + height > 5 * self.limit else rows[:1])
        if self.way == "height":
            return self.layer(rows if height % self.limit else rows[:1])
        if self.way == "slice":
            return self.layer(rows[:: self.limit])
        if self.way == "part":
            return self.layer(rows[: batch * height // self.limit])
        if self.way == "least":
            return self.layer(rows[: min(batch, height)])
        if self.way == "chunks":
            return torch.cat([self.layer(part) for part in rows.split(5 * self.limit)])
        return self.layer(rows[: max(batch - height, 1)])


@settings(max_examples=80)
@given(
    st.sampled_from(["product", "sum", "height", "slice", "part", "least", "chunks", "difference"]),
    st.integers(1, 9),
    st.sets(st.integers(1, 24), min_size=4, max_size=6),
    st.sets(st.integers(8, 40), min_size=3, max_size=5),
)
def test_no_grid_hides_what_batch_and_resolution_decide_together(way, limit, batches, sizes):
    model = type("Model", (ByBoth,), {"way": way, "limit": limit})
    assert_true(sweep(model, batch=sorted(batches), res=[(size, 8) for size in sorted(sizes)]), model)


def test_watched_sizes_leave_no_trace():
    kept = []

    class Keeps(Rows):
        def by_batch(self, x):
            self.last = x.shape[0]
            kept.append(x.shape[1])
            return self.layer(x)

    model = Keeps()
    sweep(model, batch=range(1, 6), res=8)
    assert not hasattr(model, "last")
    for size in kept:  # a number like any other, in code that keeps it
        assert (size, size + 1, str(size), hash(size)) == (8, 9, "8", hash(8))
        assert type(copy.deepcopy(size)) is int
        assert type(pickle.loads(pickle.dumps(size))) is int


def test_a_model_that_takes_offence_at_watched_sizes_is_counted_as_it_is():
    class Strict(Rows):
        def by_batch(self, x):
            return self.layer(x) if type(x.shape[0]) is int else x

    found = sweep(Strict, batch=range(1, 6), res=8)
    assert_true(found, Strict)
    assert found.cells[0].values["macs"] == 64


def test_a_factory_or_inputs_that_are_given_the_batch_are_asked_at_every_point():
    def factory(batch):
        return nn.Conv2d(3, 4 if batch == 3 else 2, 1)

    found = sweep(factory, batch=range(1, 6), res=4)
    assert_true(found, factory)
    assert found.counts == 5

    found = sweep(AtMost, batch=range(1, 6), inputs=lambda batch: torch.zeros(batch if batch != 3 else 1, 8))
    assert [cell.values["macs"] for cell in found] == [64, 2 * 64, 64, 4 * 64, 4 * 64]


def test_a_factory_that_is_given_the_resolution():
    def factory(res):
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * res * res, 5))

    found = sweep(factory, batch=range(1, 6), res=[4, 6, 8])
    assert_true(found, factory)
    assert [cell.values["params"] for cell in found][::5] == [3 * 16 * 5 + 5, 3 * 36 * 5 + 5, 3 * 64 * 5 + 5]


def test_refused_points_say_why_and_the_others_are_counted():
    found = sweep(torchvision.models.vit_b_16, batch=[1, 2], res=[64, 224])
    assert [bool(cell.refused) for cell in found] == [True, True, False, False]
    assert found.cells[0].refused == "AssertionError: Wrong image height! Expected 224 but got 64!"
    assert found.cells[0].values == {}
    assert found.at(batch=2, res=224).values["params"] == 86_567_656  # torchvision's published num_params


def test_several_models_dtypes_and_their_names():
    found = sweep({"a": lambda: nn.Conv2d(3, 4, 1), "b": lambda: nn.Conv2d(3, 5, 1)}, res=8, dtype="fp32,bf16")
    assert found.targets == ("a", "b")
    assert [(c.target, c.point.dtype, c.values["weights"]) for c in found] == [
        ("a", "float32", 16 * 4),
        ("a", "bfloat16", 16 * 2),
        ("b", "float32", 20 * 4),
        ("b", "bfloat16", 20 * 2),
    ]
    same = sweep([nn.Conv2d(3, 4, 1), nn.Conv2d(3, 5, 1)], res=8)
    assert same.targets == ("Conv2d", "Conv2d #2")


def test_data_dependent_models_are_run_at_every_point():
    class Gated(Rows):
        def by_batch(self, x):
            return self.layer(x) if x.sum().item() < 1e9 else x

    found = sweep(Gated, batch=range(1, 6), res=8)
    assert_true(found, Gated)
    assert {cell.executed for cell in found} == {"real"}


def test_every_point_on_request():
    exact = sweep(UNet, batch=range(1, 6), res=[32, 64], exact=True)
    assert exact.counts == 10
    assert exact.cells == sweep(UNet, batch=range(1, 6), res=[32, 64]).cells


@pytest.mark.parametrize("factory", [UNet, WithMemory, lambda: nn.LSTM(8, 4)])
def test_every_metric_that_there_is(factory):
    """Memory, where it is measured, is counted at every point: the highest of many lines is no line."""
    axes = {"inputs": (3, "batch", 8)} if factory not in (UNet, WithMemory) else {"res": [16, 32]}
    found = sweep(factory, batch=range(1, 6), metrics=metric_names(recorded=True), **axes)
    for cell in found:
        res = cell.point.res
        cost = measure(factory, batch=cell.point.batch, res=res, inputs=axes.get("inputs"))
        assert cell.values == {m: value for m in metric_names(recorded=True) if (value := cost.metric(m)) is not None}
    assert found.counts == len(found)


def test_rows_and_per_sample():
    found = sweep(lambda: nn.Conv2d(3, 4, 1, bias=False), batch="1,3", res="8", metrics="flops,params")
    assert found.rows()[1] == {
        "target": "<lambda>",
        "batch": 3,
        "height": 8,
        "width": 8,
        "seq": None,
        "dtype": None,
        "mode": "infer",
        "ranks": None,
        "flops": pixels(3, 8),
        "flops_per_sample": pixels(1, 8),
        "params": 12,
        "uncounted": "",
        "refused": "",
    }
    more = found.with_column("seconds", [1.0, None])
    assert [row["seconds"] for row in more.rows()] == [1.0, None]
    odd = sweep(WithMemory, batch=[2], res=8).cells[0]
    assert odd.per_sample("macs") == 7 * 64 // 2
    assert sweep(WithMemory, batch=[3], res=8, metrics=["macs"]).cells[0].per_sample("macs") == 8 * 64 / 3


def test_a_data_frame():
    pandas = pytest.importorskip("pandas")
    frame = sweep(torchvision.models.vit_b_16, batch=[1], res=[64, 224]).to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["params"].tolist() == [pandas.NA, 86_567_656]


def test_progress_is_told():
    told = []
    sweep(UNet, batch=range(1, 6), res=[32, 64], progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (10, 10)
    assert all(done <= total == 10 for done, total in told)


def test_several_processes(tmp_path):
    file = tmp_path / "several_nets.py"
    file.write_text("from torch import nn\n\n\ndef net():\n    return nn.Conv2d(3, 4, 1)\n")
    text = f"{file}:net"
    found = sweep(text, batch=[1, 2, 3, 4], res=[8, 16], jobs=2)
    assert found.cells == sweep(text, batch=[1, 2, 3, 4], res=[8, 16]).cells


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"batch": []}, "batch=[] is empty"),
        ({"batch": "4:1"}, "batch='4:1' is empty: 4 is above 1"),
        ({"batch": 0}, "batch=0 is not a whole number above zero"),
        ({"batch": "1,-2"}, "batch=-2 is not a whole number above zero"),
        ({"batch": "0:4"}, "a range begins above zero"),
        ({"batch": "1:9:0"}, "the step of a range is a whole number above zero"),
        ({"batch": "1:9:-1"}, "the step of a range is a whole number above zero"),
        ({"batch": "one"}, "'one' is not a whole number"),
        ({"batch": "1:2:3:4"}, "is no axis"),
        ({"batch": "1,,2"}, "'' is not a whole number"),
        ({"batch": 1.5}, "batch=1.5 is no axis"),
        ({"batch": [1, None]}, "None is not a value of an axis"),
        ({"batch": "1:1000000"}, "has 1000000 values. At most 10000"),
        ({"batch": "1:200", "res": "1:200"}, "The grid has 40000 points. At most 10000"),
        ({"res": "32x"}, "'' is not a whole number"),
        ({"res": "8", "dtype": "fp31"}, "dtype='fp31' is not a floating dtype"),
        ({"res": "8", "mode": "trian"}, "mode='trian' is not a mode. Allowed: 'infer', 'train'. Did you mean 'train'?"),
        ({"res": "8", "metrics": "flosp"}, "'flosp' is not a metric. Did you mean 'flops'?"),
        ({"res": "8", "metrics": ""}, "'' is not a metric"),
        ({"res": "8", "metrics": []}, "metrics= is empty"),
        ({"res": "8", "jobs": 0}, "jobs=0 is not a whole number above zero"),
        ({"res": "8", "chanels": 3}, "'chanels' is not an argument. Did you mean 'channels'?"),
        ({"res": "8", "jobs": 2}, "cannot be sent to another process"),
        ({}, "There are no inputs"),
    ],
)
def test_bad_input(axes, message):
    with pytest.raises(UsageError) as caught:
        sweep(lambda: nn.Conv2d(3, 4, 1), **axes)
    assert message in str(caught.value)


def test_no_model_and_no_point():
    with pytest.raises(UsageError, match="the list of targets is empty"):
        sweep([], res=8)
    with pytest.raises(ModelError, match="No point of the grid is accepted: batch 1, res 64, infer: AssertionError"):
        sweep(torchvision.models.vit_b_16, res=[64, 128])


def test_ranges_include_their_end():
    from pytest_modelbudget.grids.axes import axis_values

    assert axis_values("res", "128:224:32") == ((128, 128), (160, 160), (192, 192), (224, 224))
    assert axis_values("res", "128:223:32") == ((128, 128), (160, 160), (192, 192))
    assert axis_values("batch", "1, 2,4:6,2") == (1, 2, 4, 5, 6)
    assert axis_values("res", "480x640,32") == ((480, 640), (32, 32))
    assert axis_values("res", (480, 640)) == ((480, 640),)
    assert axis_values("res", [480, 640]) == ((480, 480), (640, 640))
    assert axis_values("seq", None) == (None,)
    assert axis_values("res", "8 x 9, 1_0") == ((8, 9), (10, 10))


def test_a_card_gives_times_and_the_batch_that_pays() -> None:
    """Every point is counted, since a predicted time is no line; the batch is the first with 90 % of the most."""
    found = sweep(torchvision.models.resnet18, batch="1,2,4,8,16,32", res=64, device="T4", metrics="flops,latency")
    assert found.counts >= len(found)
    for cell in found:
        cost = measure(torchvision.models.resnet18, batch=cell.point.batch, res=64, device="T4")
        assert cell.values == {"flops": cost.flops, "latency": cost.throughput.nanoseconds}
    speed = {cell.point.batch: cell.point.batch / cell.values["latency"] for cell in found}
    expected = min(batch for batch in speed if speed[batch] >= 0.9 * max(speed.values()))
    (batch,) = found.batches_that_pay().values()
    assert batch == expected
    assert f"batch {expected} has at least 90 % of the most samples per second (estimated)" in found.table()
    assert found.extras["estimated_samples_per_second"][0] == float(f"{1e9 * speed[1]:.3g}")


def test_without_a_card_no_time_is_predicted() -> None:
    found = sweep(torchvision.models.resnet18, batch="1,2", res=64, device="cuda")
    assert found.batches_that_pay() == {}
    with pytest.raises(UsageError, match="'latency' is not a metric"):
        sweep(torchvision.models.resnet18, batch="1,2", res=64, metrics="latency")


def test_the_predicted_time_is_there_whatever_metrics_are_chosen():
    """A card is named for its speed; the columns are called what people call them."""
    found = sweep(lambda: nn.Conv2d(3, 4, 1), batch="1,2", res=8, device="T4", metrics="FLOPs, parameters")
    assert found.metrics == ("flops", "params", "latency")
    assert all(speed > 0 for speed in found.extras["estimated_samples_per_second"])
    assert sweep(lambda: nn.Conv2d(3, 4, 1), res=8, metrics="FLOPs").metrics == ("flops",)


class OwnHalf(nn.Module):
    """Half precision without being asked."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 4).half()

    def forward(self, x):
        return self.layer(x.half())


def test_all_commands_say_the_same_error():
    """The precision that a model runs in is known when it has run."""
    given = {"inputs": ("batch", 8), "device": "RTX 4090"}
    said = str(measure(OwnHalf, batch=2, **given).throughput.accuracy)
    assert said.startswith("+- 3 % (RTX 4090")
    assert f"Estimated latency {said}." in sweep(OwnHalf, batch=[1, 2], **given).table()
    assert f"Estimated latency {said}." in fit(OwnHalf, batch=[1, 2], latency="1s", **given).table()
    assert f"Estimated latency {said}." in fit(OwnHalf, batch=[1, 2], latency="1ns", **given).table()


def test_double_precision_borrows_the_error_of_single():
    said = str(measure(nn.Linear(8, 4), batch=2, inputs=("batch", 8), dtype="fp64", device="L4").throughput.accuracy)
    assert said == "+- 71 % (as L4 in float32, 5 models)"


def test_what_changes_nothing_without_a_card_is_said():
    given, said = {"inputs": ("batch", 8), "compile": True}, "compile matters for the predicted time of a named card"
    assert said in conditions(measure(nn.Linear(8, 4), batch=2, **given))
    assert said in conditions(measure(nn.Linear(8, 4), batch=2, device="cuda", **given))
    assert said in sweep(nn.Linear(8, 4), batch=[1, 2], **given).table()
    assert said in fit(nn.Linear(8, 4), batch=[1, 2], flops="1G", **given).table()
    assert said not in conditions(measure(nn.Linear(8, 4), batch=2, device="T4", **given))
    assert "matters" not in conditions(measure(nn.Linear(8, 4), inputs=(1, 8), channels_last=True))  # it has a layout


class Twice(nn.Module):
    def forward(self, x):
        return x * 2


def test_what_a_card_does_not_hold_is_marked_and_speeds_are_words():
    """2 GiB a sample: a T4 of 16 GiB holds one of them, and not nine."""
    found = sweep(Twice, batch=[1, 9], inputs=("batch", 256, 1 << 20), device="T4")
    header, one, nine = (line for line in found.table().splitlines() if line.startswith(("batch", "1 ", "9 ")))
    assert [cell.held for cell in found] == [True, False]
    assert "does not hold" not in one
    assert nine.endswith("T4 does not hold it")
    assert "estimated samples/s" in header
    speed = units.per_second(
        measure(Twice, batch=1, inputs=("batch", 256, 1 << 20), device="T4").throughput.samples_per_second
    )
    assert f"  {speed}" in one
    assert found.extras["estimated_samples_per_second"][0] == float(speed)
