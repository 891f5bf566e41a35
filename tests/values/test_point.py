"""The operating point: whatever is written, as text, plain data or code, can be read back, and all else is refused."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_modelbudget import OperatingPoint, UsageError
from pytest_modelbudget.grids.axes import axis_values, one_value
from pytest_modelbudget.text.checks import Wrong
from pytest_modelbudget.values.point import axes, axis_names, find_axis, operating_point

SIZES = st.integers(1, 10**6)
VALUES = {
    "batch": SIZES,
    "res": st.one_of(SIZES, st.tuples(SIZES, SIZES)),
    "channels": SIZES,
    "seq": SIZES,
    "dtype": st.sampled_from(["fp32", "bf16", "float16", "double"]),
    "mode": st.sampled_from(["infer", "train"]),
    "optimizer": st.sampled_from(["none", "sgd", "momentum", "adam", "adamw"]),
    "step": st.sampled_from(["training_step", "loss"]),
    "accumulate": SIZES,
    "method": st.sampled_from(["encode", "forward"]),
    "amp": st.sampled_from(["bf16", "fp16"]),
    "attention": st.sampled_from(["fused", "math"]),
    "device": st.sampled_from(["cuda", "cpu", "T4", "A100 80GB"]),
    "channels_last": st.booleans(),
    "compile": st.booleans(),
    "ranks": SIZES,
    "rank": st.integers(0, 3),
    "parallel": st.sampled_from([{"fsdp": 8}, {"tp": 4, "fsdp": 8}, {"dp": 2, "fsdp": -1}, "fsdp", "tp=2,dp=2"]),
    "link": st.sampled_from(["NVLink", "PCIe"]),
}


@st.composite
def points(draw: st.DrawFn) -> OperatingPoint:
    given = {name: draw(values) for name, values in VALUES.items() if draw(st.booleans())}
    for axis in axes(training=True):
        if given.get("mode") != "train":
            given.pop(axis.name, None)
    if "step" in given:
        given.pop("method", None)
    world = given.get("ranks", 0)
    if "parallel" in given:
        sizes = [size for _, size in find_axis("parallel").kind.parse("parallel", given["parallel"])]
        given["ranks"] = 64 if -1 in sizes else math.prod(sizes)
        world = given["ranks"]
    if not world:
        given.pop("link", None)
    if given.get("rank", 0) >= world:
        given.pop("rank", None)
    given["dims"] = draw(st.dictionaries(st.sampled_from(["frames", "größe", "width"]), SIZES))
    return operating_point(**given)


def test_the_values_tried_are_of_every_axis():
    assert list(VALUES) == [axis.name for axis in axes()]


@given(points())
def test_plain_data_is_read_back(point):
    data = json.loads(json.dumps(point.to_dict()))
    assert OperatingPoint.read(data, ()) == point
    assert OperatingPoint.from_dict(data) == point


@given(points())
def test_code_and_a_commands_text_are_read_back(point):
    code = ", ".join(f"{name}={text}" for name, text in point.code().items())
    usual = {axis.name: None for axis, value in point.given() if value == axis.unsaid}  # what goes without saying
    assert eval(f"operating_point({code})", {"operating_point": operating_point}) == point.at(**usual)
    values = {axis.name: one_value(axis.name, axis.kind.show(value)) for axis, value in point.given()}
    dims = {name: values.pop(name) for name, _ in point.dims}
    assert operating_point(**values, dims=dims) == point


def test_the_text_of_a_point():
    """By hand: what goes without saying is not said."""
    point = operating_point(batch=8, res=(480, 640), channels=3, mode="train", amp="bf16", attention="fused")
    assert str(point) == "batch 8, res 480x640, train with adamw, amp bf16"
    assert str(operating_point(batch=1, seq=7, dtype="fp16", channels=1, device="t4")) == (
        "batch 1, channels 1, seq 7, fp16, infer, T4"
    )
    assert str(operating_point(batch=2, seq=7, dims={"frames": 16, "beams": 4})) == (
        "batch 2, seq 7, beams 4, frames 16, infer"
    )
    assert str(operating_point()) == "infer"


def test_a_dimension_of_ones_own_is_an_axis_of_the_points_that_have_it():
    point, other = operating_point(batch=2, dims={"frames": 16}), operating_point(seq=3)
    assert axis_names(point, other, ordered=True) == ("batch", "res", "seq", "frames")
    assert "frames" not in axis_names()
    assert (point.value("frames"), other.value("frames"), point.value("batch")) == (16, None, 2)
    assert point.at(frames=None, batch=3) == operating_point(batch=3)
    assert other.at(frames=16).arguments() == {"seq": 3, "frames": 16}
    assert point == operating_point(dims=[*{"frames": 0}], batch=2).with_side("frames", 16)


@pytest.mark.parametrize(
    ("data", "place", "says"),
    [
        ({"batch": 0}, ("batch",), "0 where a whole number from 1"),
        ({"res": [1, 2, 3]}, ("res",), "3 numbers where [height, width] belongs"),
        ({"res": 224}, ("res",), "224 where a list belongs"),
        ({"mode": None}, ("mode",), "null where one of"),
        ({"amp": None}, ("amp",), "null where one of"),
        ({"dtype": "int8"}, ("dtype",), '"int8" where one of'),
        ({"pixels": 1}, ("pixels",), "unknown field."),
        ({"dims": {"frames": 0}}, ("dims", "frames"), "0 where a whole number from 1"),
        ({"dims": {"batch": 2}}, ("dims", "batch"), "no name of a dimension"),
        ({"dims": [1]}, ("dims",), "where an object belongs"),
    ],
)
def test_wrong_plain_data_is_told_by_its_place(data, place, says):
    with pytest.raises(Wrong) as caught:
        OperatingPoint.read({**operating_point(batch=1).to_dict(), **data}, ())
    assert caught.value.place == place
    assert says in str(caught.value)


def test_a_field_that_is_missing_is_told():
    data = operating_point(batch=1).to_dict()
    del data["seq"]
    with pytest.raises(Wrong, match="the field 'seq' is missing"):
        OperatingPoint.read(data, ())


def test_an_unknown_axis_is_refused():
    with pytest.raises(UsageError, match=r"'frames' is no axis of an operating point. Allowed: batch, res, "):
        operating_point(frames=8)


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("res", "8 x 9", ((8, 9),)),
        ("res", "8X9,10", ((8, 9), (10, 10))),
        ("batch", "1_0", (10,)),
        ("batch", "1:4", (1, 2, 3, 4)),
        ("batch", "1:10:4,2", (1, 5, 9, 2)),
        ("seq", " 128 , 256 ", (128, 256)),
        ("mode", "infer, train", ("infer", "train")),
        ("dtype", "fp32,bf16", ("float32", "bfloat16")),
        ("channels", "4", (4,)),
    ],
)
def test_the_one_parser_of_texts(name, text, values):
    assert axis_values(name, text) == values


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("res", "8x", "res='8x': '' is not a whole number. Write 224, 128,256, 480x640 or 128:512:32 (from,"),
        ("res", "8x8x8", "'8x8x8' is neither one number nor HEIGHTxWIDTH"),
        ("batch", "1__0", "'1__0' is not a whole number"),
        ("batch", "4:1", "is empty: 4 is above 1"),
        ("batch", "0:4", "a range begins above zero"),
        ("batch", "1:4:0", "the step of a range is a whole number above zero"),
        ("batch", "1:100000", "has 100000 values. At most 10000 are counted."),
        ("mode", "fly", "mode='fly' is not a mode. Allowed: 'infer', 'train'."),
        ("channels", "1:4", "'1:4' is not a whole number"),
    ],
)
def test_what_the_parser_refuses(name, text, says):
    with pytest.raises(UsageError) as caught:
        axis_values(name, text)
    assert says in str(caught.value)


def test_where_one_value_is_looked_at_several_are_refused():
    with pytest.raises(UsageError, match="batch='1,2' has 2 values, and one is looked at here"):
        one_value("batch", "1,2")
    assert one_value("res", "224") == (224, 224)


def test_only_axes_with_a_factor_can_be_compared():
    assert [axis.name for axis in axes(factor=True)] == [
        *("batch", "res", "channels", "seq", "accumulate", "ranks", "parallel")
    ]
    assert find_axis("res").factor == "resolution"
