"""Predicted times: the formula by hand on a device of round numbers, what every operator moves, and the knee."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pytest_modelbudget import Cost, measure
from pytest_modelbudget.counting.recording.work import WorkRecorder
from pytest_modelbudget.errors import UsageError
from pytest_modelbudget.values.calibration import time_fit
from pytest_modelbudget.values.device import Device
from pytest_modelbudget.values.device_table import NAMED
from pytest_modelbudget.values.devices import find_device
from pytest_modelbudget.values.fits import Accuracy, Calibration, Fit, Way
from pytest_modelbudget.values.throughput import Throughput, batch_that_pays, busy, predict
from pytest_modelbudget.values.work import Products, Work

ROUND = Device("round", "cuda", {"float32": 10**12, "tf32": 10**13, "float16": 10**14}, 10**11, 2**30, 1000, "by hand")
"""1 TFLOP/s (1000 FLOPs a nanosecond), 100 bytes a nanosecond, a microsecond to launch."""


# -- the formula -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("work", "time"),
    [
        (Work("", "linear", "float32", 5_000_000, 400_000, 1, 1), (5000, 0, 1000)),
        (Work("", "conv2d", "tf32", 5_000_000, 400_000, 1, 1), (0, 4000, 1000)),
        (Work("", "conv2d", "tf32", 50_000_000, 400_000, 1, 2), (10_000, 0, 2000)),
        (Work("", "relu", "float32", 0, 400_000, 1, 3), (0, 12_000, 3000)),
        (Work("", "lstm", "float32", 0, 0, 20, 2), (0, 0, 40_000)),
        (Work("", "add", "int8", 1_000, 99, 1, 1), (0, 1, 1000)),  # 0.99 rounds up
        (Work("", "add", "int8", 2_000, 99, 1, 1), (2, 0, 1000)),  # 8 bits as float32
    ],
)
def test_time_of_equal_calls_where_no_card_was_measured(work, time):
    assert busy(work, ROUND, None) == time


FIT = Fit(
    card="round", way=Way(), factors={"product": (2000, 500), "element-wise": (1000, 1500), "copy": (1000, 1000)},
    kernel=500, host=10_000, percent=4, borrowed=9, rows=100, models=50, source="by hand",
)  # fmt: skip
"""A product takes twice its arithmetic and half its traffic; element-wise work 1.5 times its traffic."""

CALIBRATED = replace(ROUND, own=Calibration("2026-01-01", ("by hand",), (FIT,)))


@pytest.mark.parametrize(
    ("work", "time"),
    [
        (Work("", "mm", "float32", 5_000_000, 400_000, 1, 1, Products(1, 2, 3, 4)), (10_000, 2000, 500)),
        (Work("", "relu", "float32", 0, 400_000, 1, 3), (0, 18_000, 1500)),
        (Work("", "softmax", "float32", 0, 400_000, 1, 1), (0, 6000, 500)),  # a class without factors: element-wise
        (Work("", "clone", "float32", 0, 400_000, 1, 1), (0, 4000, 500)),
        (Work("", "lstm", "float32", 0, 0, 20, 2), (0, 0, 20_000)),
    ],
)
def test_time_of_equal_calls_by_factors(work, time):
    assert busy(work, CALIBRATED, FIT) == time


def test_what_calls_cost_on_the_host_runs_beside_the_kernels():
    """Two calls of 4500 ns on the device and 10 us on the host, a copy of a quarter of that: 22.5 us, not 9000 + ..."""
    relu, clone = Work("a", "relu", "float32", 0, 266_667, 1, 2), Work("b", "clone", "float32", 0, 0, 1, 1)
    found = predict([relu, clone], CALIBRATED, 1)
    assert found.nanoseconds == 22_500
    assert found.bound == {"compute": 0, "bandwidth": 8000, "launch": 14_500}
    assert found.accuracy == Accuracy(4, "round", 50)
    large = predict([replace(relu, bytes=10**9), clone], CALIBRATED, 1)  # 30 ms on the device
    assert large.bound == {"compute": 0, "bandwidth": 30_000_000, "launch": 1500}


def test_another_way_of_running_takes_the_factors_and_says_so():
    found = predict([Work("", "relu", "float16", 0, 400_000, 1, 1)], CALIBRATED, 1, Way("train", half=True))
    ran = "in inference, in float32"
    assert found.accuracy == Accuracy(9, "round", 50, own=False, ran=ran)
    assert str(found.accuracy) == f"+- 9 % (as round {ran}, 50 models)"


@pytest.mark.parametrize(
    ("way", "dtype", "says"),
    [
        (Way(), "float32", "+- 4 % (round, 50 models)"),
        (Way(), "tf32", "+- 4 % (round, 50 models)"),
        (Way(), "float64", "+- 9 % (as round in float32, 50 models)"),
        (Way(), "bfloat16", "+- 9 % (as round in float32, 50 models)"),
        (Way(compiled=True), "float32", "+- 9 % (as round not compiled, 50 models)"),
        (Way(channels_last=True), "float32", "+- 9 % (as round not channels last, 50 models)"),
    ],
)
def test_the_error_is_that_of_the_way_in_which_it_was_measured(way, dtype, says):
    """The precision is that of most of the arithmetic, whatever the arguments say."""
    assert str(predict([Work("", "mm", dtype, 8, 8, 1, 1)], CALIBRATED, 1, way).accuracy) == says


WORKS = st.builds(
    Work,
    module=st.sampled_from(["", "a", "a.b", "c"]),
    operator=st.sampled_from(["linear", "relu"]),
    dtype=st.sampled_from(["float32", "tf32", "float16", "float64", "bfloat16", "int64"]),
    flops=st.integers(0, 10**15),
    bytes=st.integers(0, 10**12),
    launches=st.integers(1, 100),
    calls=st.integers(1, 1000),
)


@given(st.lists(WORKS, max_size=8), st.sampled_from(NAMED))
def test_parts_add_up_to_the_step(works, device):
    found = predict(works, device, 4)
    assert found.nanoseconds == sum(found.bound.values()) == sum(found.by_operator().values())
    assert found.by_module()[""] == found.nanoseconds
    inside = {w.module for w in works if w.module}
    assert set(found.by_module()) == {""} | inside | ({"a"} if "a.b" in inside else set())
    assert found.by_module().get("a", 0) >= found.by_module().get("a.b", 0)


@given(WORKS, st.integers(1, 10))
def test_a_device_that_is_better_in_everything_is_never_slower(work, times):
    better = replace(
        ROUND,
        peaks={dtype: peak * times for dtype, peak in ROUND.peaks.items()},
        bandwidth=ROUND.bandwidth * times,
        launch=ROUND.launch // times,
    )
    assert sum(busy(work, better, None)) <= sum(busy(work, ROUND, None))
    assert sum(busy(work, better, FIT)) <= sum(busy(work, ROUND, FIT))


@given(WORKS, st.integers(0, 10**9), st.integers(0, 10**6), st.sampled_from(NAMED))
def test_more_work_never_takes_less(work, flops, size, device):
    more = replace(work, flops=work.flops + flops, bytes=work.bytes + size)
    fit, _ = time_fit(device, Way()) or (None, None)
    assert sum(busy(more, device, fit)) >= sum(busy(work, device, fit))


def test_a_kind_without_a_card_has_no_speed():
    with pytest.raises(UsageError, match="'cuda' names no card"):
        predict([], find_device("cuda"), 1)


# -- what operators compute and move -----------------------------------------------------------------------------------


class Called(nn.Module):
    """A function as a model."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *tensors):
        return self.function(*tensors)


def work(function, *shapes, dtype=torch.float32):
    """The work of one function of new tensors."""
    inputs = tuple(torch.zeros(shape, dtype=dtype) for shape in shapes)
    return measure(Called(function), inputs=inputs, device="T4").throughput.work


def moved(function, *shapes, **options):
    return [(each.operator, each.bytes * each.calls) for each in work(function, *shapes, **options)]


def test_linear_by_hand():
    """(8, 100) by (50, 100) and a bias: 2 * 8 * 100 * 50 FLOPs; 4 bytes for each of 800 + 5000 + 50 + 400 elements."""
    cost = measure(nn.Linear(100, 50), inputs=("batch", 100), batch=8, device="T4")
    (only,) = cost.throughput.work
    assert only == Work("", "linear", "float32", 80_000, 4 * (800 + 5000 + 50 + 400), 1, 1, Products(1, 8, 50, 100))
    found = predict([only], ROUND, 8)
    assert found.accuracy is None
    assert found.bound == {"compute": 0, "bandwidth": 250, "launch": 1000}  # 80 ns of arithmetic, 25000 bytes
    assert found.samples_per_second == pytest.approx(8 / 1250e-9)
    assert found.binds == "launch"


def test_convolution_by_hand():
    """3 -> 8 channels, 3 x 3, 16 x 16 pixels, batch 2: half precision, then float32, which cuDNN may round to TF32."""
    elements = 2 * 3 * 256 + 8 * 27 + 8 + 2 * 8 * 256
    conv = nn.Conv2d(3, 8, 3, padding=1)
    (half,) = measure(conv, batch=2, res=16, dtype="fp16", device="T4").throughput.work
    (full,) = measure(conv, batch=2, res=16, device="T4").throughput.work
    shape = Products(1, rows=2 * 256, columns=8, depth=27, taps=9, bias=True)
    assert half == Work("", "conv2d", "float16", 2 * 2 * 8 * 256 * 27, 2 * elements, 1, 1, shape)
    assert full == replace(half, dtype="tf32", bytes=4 * elements)


@pytest.mark.parametrize(
    ("function", "shapes", "expected"),
    [
        pytest.param(lambda x: x.view(6).t(), [(2, 3)], [], id="views"),
        pytest.param(lambda x: x.reshape(6), [(2, 3)], [], id="a reshape that is a view"),
        pytest.param(lambda x: x.t().reshape(6), [(2, 3)], [("reshape", 48)], id="a reshape that copies"),
        pytest.param(lambda x: x.contiguous().detach(), [(2, 3)], [], id="contiguous already"),
        pytest.param(lambda x: F.dropout(x, training=False), [(2, 3)], [], id="dropout that does nothing"),
        pytest.param(torch.empty_like, [(2, 3)], [], id="room is not filled"),
        pytest.param(torch.zeros_like, [(2, 3)], [("zeros_like", 24)], id="reads only a size"),
        pytest.param(torch.relu, [(2, 3)], [("relu", 48)], id="reads and writes"),
        pytest.param(torch.relu_, [(2, 3)], [("relu_", 48)], id="in place reads and writes"),
        pytest.param(lambda x: x.zero_(), [(2, 3)], [("zero_", 24)], id="overwrites"),
        pytest.param(lambda x, y: x.copy_(y), [(2, 3), (2, 3)], [("copy_", 48)], id="copies"),
        pytest.param(lambda x, y: x.add_(y), [(2, 3), (2, 3)], [("add_", 72)], id="adds in place"),
        pytest.param(lambda x: x + x, [(2, 3)], [("add", 48)], id="one tensor twice"),
        pytest.param(lambda x: x[0] + x[1], [(2, 3)], [("add", 36)], id="two parts of one tensor"),
        pytest.param(lambda x, y: x + y, [(2, 3), (1, 3)], [("add", 24 + 12 + 24)], id="broadcast"),
        pytest.param(lambda x, y: x + y.expand(2, 3), [(2, 3), (1, 3)], [("add", 24 + 12 + 24)], id="expanded"),
        pytest.param(lambda x, y: torch.add(x, x, out=y), [(2, 3), (2, 3)], [("add", 48)], id="out="),
        pytest.param(lambda x, y: torch.cat([x, y]), [(2, 3), (1, 3)], [("cat", 72)], id="a list"),
        pytest.param(lambda x: x.chunk(2), [(4, 3)], [], id="a list of views"),
        pytest.param(lambda x: torch._foreach_add_([x[0], x[1]], 1), [(2, 3)], [("_foreach_add_", 48)], id="foreach"),
        pytest.param(lambda x: x.sum(), [(2, 3)], [("sum", 28)], id="reduces"),
        pytest.param(
            lambda q: F.scaled_dot_product_attention(q, q, q),
            [(1, 2, 8, 4)],
            [("scaled_dot_product_attention", 2 * 256)],
            id="attention is fused",
        ),
    ],
)
def test_bytes_by_hand(function, shapes, expected):
    assert moved(function, *shapes) == expected


def test_a_lookup_reads_the_rows_it_returns_and_not_the_table():
    """5 of 1000 rows of 8: ids of 8 bytes, rows read and written; a bag of them is one row."""
    ids = torch.zeros(5, dtype=torch.int64)
    rows = 5 * 8 * 4
    assert moved(lambda t: F.embedding(ids, t), (1000, 8)) == [("embedding", 40 + 2 * rows)]
    assert moved(lambda t: t[ids], (1000, 8)) == [("index", 40 + 2 * rows)]
    assert moved(lambda t: t.index_select(0, ids), (1000, 8)) == [("index_select", 40 + 2 * rows)]
    (bag,) = (size for name, size in moved(lambda t: F.embedding_bag(ids.view(1, 5), t), (1000, 8)) if "bag" in name)
    assert 40 + rows + 8 * 4 <= bag < 40 + rows + 8 * 4 + 200  # and where each bag begins and ends


def test_a_scatter_writes_what_it_is_given_and_not_the_whole():
    """A cache of 1000 rows of 8 that gets 5: ids, the new rows, and the same bytes read and written in the cache."""
    ids = torch.zeros(5, dtype=torch.int64)
    (one,) = work(lambda cache, new: cache.index_copy_(0, ids, new), (1000, 8), (5, 8))
    given = 5 * 8 + 5 * 8 * 4
    assert (one.operator, one.bytes) == ("index_copy_", 3 * given)


def test_a_recurrent_layer_launches_for_every_step_and_layer():
    """7 steps, 2 layers, 2 directions. Weights are read once."""
    model = nn.LSTM(10, 5, num_layers=2, bidirectional=True)
    (one,) = (each for each in work_of(model, (7, 3, 10)) if each.operator == "lstm")
    weights = 4 * 2 * ((20 * 10 + 20 * 5 + 40) + (20 * 10 + 20 * 5 + 40))
    states = 4 * 4 * 3 * 5  # 2 layers and directions, 3 samples of 5
    assert one.launches == 7 * 2 * 2
    assert one.dtype == "tf32"
    assert one.bytes == weights + 4 * 7 * 3 * 10 + 4 * 7 * 3 * 10 + 4 * states  # h and c come in and go out


@pytest.mark.parametrize(("mode", "loops"), [("bilinear", 2 * 6), ("bicubic", 2 * 6), ("nearest", 0)])
def test_interpolation_loops_over_samples_and_channels(mode, loops):
    """A thread for each position of an image goes through 2 samples of 6 channels; in channels_last one for each."""
    (one,) = work(lambda image: F.interpolate(image, scale_factor=2, mode=mode), (2, 6, 4, 4))
    assert one.loops == loops
    image = torch.empty(2, 6, 4, 4, device="meta").to(memory_format=torch.channels_last)
    (last,) = measure(Called(lambda image: F.interpolate(image, scale_factor=2, mode=mode)), inputs=image,
                      device="T4").throughput.work  # fmt: skip
    assert last.loops == 0


def test_loops_wait_for_memory_on_a_gpu_that_does_not_run_compiled_code():
    """1000 steps of 300 ns, beside 100 us of traffic: 200 us more than that, and a launch of 500 ns."""
    one = Work("", "upsample_bilinear2d", "float32", 0, 10_000_000, 1, 1, loops=1000)
    assert busy(one, CALIBRATED, FIT) == (*busy(replace(one, loops=0), CALIBRATED, FIT)[:2], 200_500)
    fused = replace(FIT, way=replace(FIT.way, compiled=True))
    assert busy(one, CALIBRATED, fused)[2] == busy(one, replace(CALIBRATED, kind="cpu"), FIT)[2] == 500


def test_attention_that_no_fused_kernel_takes_is_its_parts():
    """Of 5 dimensions: 2 * 3 * 4 heads of 8 queries and 8 keys of 16, whose halves become numbers of 4 bytes."""
    shape = (2, 3, 4, 8, 16)
    found = work(lambda q, k, v: F.scaled_dot_product_attention(*(t.half() for t in (q, k, v))), *[shape] * 3)
    numbers, scores = 24 * 8 * 16, 24 * 8 * 8
    assert {each.dtype for each in found} == {"float32"}
    bytes = [(each.operator, each.calls * each.bytes) for each in found if each.operator != "to"]
    assert sum(each.calls * each.bytes for each in found if each.operator == "to") == 2 * 3 * (4 + 2) * numbers
    assert bytes == [
        ("mul", 2 * 8 * numbers), ("bmm", 4 * (2 * numbers + scores)), ("softmax", 8 * scores),
        ("bmm", 4 * (2 * numbers + scores)),
    ]  # fmt: skip
    assert sum(each.flops for each in found) == 2 * 2 * 24 * 8 * 8 * 16
    (fused,) = work(F.scaled_dot_product_attention, *[shape[1:]] * 3)
    assert fused.operator == "scaled_dot_product_attention"
    math = measure(Called(F.scaled_dot_product_attention), inputs=tuple(torch.empty(*shape[1:]) for _ in range(3)),
                   device="T4", attention="math")  # fmt: skip
    assert [each.operator for each in math.throughput.work] == ["mul", "bmm", "softmax", "bmm"]


def work_of(model, shape):
    return measure(model, inputs=shape, device="T4").throughput.work


def test_calls_are_booked_for_the_module_that_made_them():
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
    assert [(each.module, each.operator) for each in work_of(model, (2, 4))] == [
        ("0", "linear"),
        ("1.0", "linear"),
        ("1.1", "relu"),
    ]


def test_pooling_that_counts_whole_is_one_call():
    """``adaptive_avg_pool2d(x, 1)``: reads 8 * 16 elements, writes 8."""
    (one,) = work_of(nn.AdaptiveAvgPool2d(1), (1, 8, 4, 4))
    assert one == Work("", "adaptive_avg_pool2d", "float32", 0, 4 * (8 * 16 + 8), 1, 1)


class Steps(nn.Module):
    """A model that takes a step in its forward pass."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4, 5))

    def forward(self, x):
        (gradient,) = torch.autograd.grad((x @ self.weight).sum(), self.weight)
        torch._foreach_add_([self.weight.detach()], [gradient], alpha=-0.1)


def test_backward_and_an_optimizer_are_work_too():
    """(3, 4) by (4, 5), and the product for the gradient, of the same size; 20 weights change in place."""
    found = measure(Steps, inputs=(3, 4), device="T4").throughput.work
    assert sum(each.flops * each.calls for each in found if each.operator == "mm") == 2 * 2 * 3 * 4 * 5
    assert (found[-1].operator, found[-1].bytes) == ("_foreach_add_", 3 * 4 * 5 * 4)


def test_complex_numbers_count_in_the_precision_of_their_parts():
    ((half, full),) = zip(
        work(torch.mm, (2, 2), (2, 2), dtype=torch.complex64),
        work(torch.mm, (2, 2), (2, 2), dtype=torch.complex128),
        strict=True,
    )
    assert (half.dtype, full.dtype) == ("float32", "float64")


def test_unless_a_card_is_named_nothing_is_recorded(monkeypatch):
    monkeypatch.setattr(WorkRecorder, "record", lambda *args: pytest.fail("recorded"))
    assert measure(nn.Linear(4, 4), inputs=(2, 4)).throughput is None
    with pytest.raises(pytest.fail.Exception, match="recorded"):
        measure(nn.Linear(4, 4), inputs=(2, 4), device="T4")


# -- a prediction ------------------------------------------------------------------------------------------------------


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Linear(8, 10)

    def forward(self, image):
        return self.head(F.relu(self.conv(image)).mean((2, 3)))


@pytest.mark.parametrize("real", [False, True])
def test_a_cost_with_a_prediction_comes_back_from_json(real):
    class Reads(Net):
        def forward(self, image):
            return super().forward(image) if not real or image.sum().item() < 1e9 else None

    cost = measure(Reads, batch=2, res=16, device="T4")
    assert cost.executed == ("real" if real else "meta")
    assert Cost.from_dict(json.loads(json.dumps(cost.to_dict()))) == cost
    assert cost.metric("latency") == cost.throughput.nanoseconds > 0
    assert cost.metric("latency", "conv") == cost.throughput.by_module()["conv"] < cost.metric("latency")


def test_meta_and_real_runs_are_the_same_work():
    class Reads(Net):
        def forward(self, image):
            assert image.flatten()[0].item() < 1e9
            return super().forward(image)

    real = [each for each in measure(Reads, batch=2, res=16, device="T4").throughput.work if each.flops]
    assert real == [each for each in measure(Net, batch=2, res=16, device="T4").throughput.work if each.flops]


@given(batch=st.integers(1, 64), more=st.integers(1, 64), device=st.sampled_from(NAMED))
def test_time_grows_with_the_batch(batch, more, device):
    small, large = (measure(Net, batch=b, res=16, device=device.name).throughput for b in (batch, batch + more))
    assert small.nanoseconds <= large.nanoseconds
    assert {each.operator for each in small.work} == {each.operator for each in large.work}


def test_one_count_is_predicted_on_every_device():
    cost = measure(Net, batch=4, res=16, device="T4")
    for device in NAMED:
        there = measure(Net, batch=4, res=16, device=device.name).throughput
        assert cost.throughput.on(device.name) == there
    with pytest.raises(UsageError, match="'cpu' names no card"):
        cost.throughput.on("cpu")


def test_without_a_batch_there_are_no_samples_per_second():
    found = measure(nn.Linear(4, 4), inputs=(2, 4), device="T4").throughput
    assert found.batch is None
    assert found.samples_per_second is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"device": "T5"}, "Did you mean 'T4'?"),
        ({"device": "T4", "counter": "fvcore"}, "counter='fvcore' does not see what operators move"),
    ],
)
def test_bad_input(options, says):
    with pytest.raises(UsageError) as caught:
        measure(Net, batch=1, res=16, **options)
    assert says in str(caught.value)


# -- the batch at which it stops to pay --------------------------------------------------------------------------------


def point(batch, nanoseconds, device="T4"):
    return Throughput(device, batch, {"compute": nanoseconds, "bandwidth": 0, "launch": 0})


SATURATING = [point(1, 100), point(2, 110), point(4, 130), point(8, 200), point(16, 400)]
"""0.01, 0.018, 0.031, 0.04 and 0.04 samples a nanosecond."""


def test_the_batch_that_pays():
    alone = [(each, None) for each in SATURATING]
    assert batch_that_pays(alone) == 8
    assert batch_that_pays(alone, share=0.75) == 4
    assert batch_that_pays(reversed(alone)) == 8
    assert batch_that_pays([]) is None


def test_the_batch_that_pays_fits_in_memory():
    """At 4 GiB a sample, 4 samples fill a T4 (16 GiB): the most is 4 / 130, of which 2 / 110 is 59 %."""
    sized = [(each, each.batch * 2**32) for each in SATURATING]
    assert batch_that_pays(sized) == 4
    assert batch_that_pays(sized, memory=2**33) == 2
    assert batch_that_pays(sized, memory=2**35) == 8
    assert batch_that_pays(sized, memory=2**31) is None


def test_batches_that_cannot_be_compared_are_refused():
    with pytest.raises(UsageError, match="on one device, not on 'L4' and 'T4'"):
        batch_that_pays([(point(1, 100), None), (point(2, 100, "L4"), None)])
    with pytest.raises(UsageError, match="without a batch"):
        batch_that_pays([(point(None, 100), None)])


# -- the products that calls are made of -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "shapes", "expected"),
    [
        pytest.param(torch.mm, [(2, 3), (3, 5)], Products(1, 2, 5, 3), id="mm"),
        pytest.param(torch.matmul, [(4, 2, 3), (3, 5)], Products(1, 8, 5, 3), id="rows of a batch are rows"),
        pytest.param(torch.matmul, [(4, 2, 3), (4, 3, 5)], Products(4, 2, 5, 3), id="a batch of products"),
        pytest.param(torch.addmm, [(5,), (2, 3), (3, 5)], Products(1, 2, 5, 3), id="addmm"),
        pytest.param(F.linear, [(7, 2, 3), (5, 3)], Products(1, 14, 5, 3), id="linear"),
        pytest.param(lambda x, w: F.conv2d(x, w, groups=4), [(2, 8, 6, 6), (12, 2, 3, 3)],
                     Products(4, 2 * 16, 3, 18, 9), id="grouped"),
        pytest.param(lambda x, w: F.conv2d(x, w, groups=8), [(2, 8, 6, 6), (8, 1, 3, 3)],
                     Products(8, 2 * 16, 1, 9, 9), id="depthwise"),
        pytest.param(F.conv_transpose2d, [(2, 8, 6, 6), (8, 5, 2, 2)],
                     Products(1, 2 * 36, 8, 20, 4), id="transposed: positions are those of the input"),
        pytest.param(F.scaled_dot_product_attention, [(2, 4, 10, 16), (2, 4, 30, 16), (2, 4, 30, 16)],
                     Products(8, 10, 30, 16), id="attention"),
    ],
)  # fmt: skip
def test_products_by_hand(function, shapes, expected):
    (one,) = (each for each in work(function, *shapes) if each.flops)
    assert one.shape == expected


def test_the_gradient_of_a_grouped_convolution_computes_what_it_computes():
    """Depthwise: 16 channels, 3 x 3, 8 x 8 positions, batch 2: 2 * 2 * 64 * 16 * 9 FLOPs, and for each gradient.

    ``FlopCounterMode`` counts the gradient of the weight as if the weight were full, 16 times as much.
    """
    model = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
    cost = measure(model, inputs=(torch.zeros(2, 16, 8, 8).requires_grad_(),), batch=2, mode="train", device="T4",
                   optimizer="none", convention="torch")  # fmt: skip
    forward = 2 * 2 * 64 * 16 * 9
    found = {each.operator: each.flops for each in cost.throughput.work if each.flops}
    assert found == {"convolution": forward, "convolution_backward": 2 * forward}
    assert cost.backward_flops == forward + 16 * forward
    (backward,) = (each for each in cost.throughput.work if each.operator == "convolution_backward")
    assert backward.shape == Products(16, 2 * 64, 1, 9, 9)


def test_what_reads_in_another_order_than_it_writes_says_so():
    (same,) = work(lambda x: x.clone(), (4, 5))
    (other,) = work(lambda x: x.t().contiguous(), (4, 5))
    assert (same.reorders, other.reorders) == (False, True)
