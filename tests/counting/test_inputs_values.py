"""What ``inputs=`` means: values pass as they are, a shape names a dimension, `tensor` describes an input."""

from __future__ import annotations

import subprocess
import sys
from collections import OrderedDict, defaultdict
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from one_attempt import attempt
from torch import nn

from pytest_modelbudget import UsageError, measure, tensor
from pytest_modelbudget.counting.blame import NeedsRealRun

ROW = 8 * 8  # multiply-adds for each row of an input


class Net(nn.Module):
    """One linear layer, and what is done with it and the arguments of forward."""

    def __init__(self, call=None):
        super().__init__()
        self.layer = nn.Linear(8, 8, bias=False)
        self.call = call

    def forward(self, *arguments: Any, **keywords: Any) -> Any:
        return self.call(self.layer, *arguments, **keywords)


def rows(call, **arguments):
    """How many rows the layer of a `Net` was called with."""
    macs = measure(Net(call), **arguments).macs
    assert macs % ROW == 0
    return macs // ROW


def times(count):
    """A forward that calls its layer once for each of the numbers in ``count``, which has to be as it was given."""

    def call(layer, x, numbers):
        assert numbers == count
        assert type(numbers) is type(count)
        for _ in range(len(numbers)):
            x = layer(x)
        return x

    return call


X = torch.zeros(2, 8)


class Size(NamedTuple):
    height: int
    width: int


class Levels(tuple):
    __slots__ = ()


VALUES = [(9, 7, 5), (2, 5, 8, 11), [3, 4], [(1, 2), (3, 4)], ((1, 2), (3, 4)), ("cat", "dog"), ("cat", 3), (1,),
          (True, False), (0.5, 2), Size(3, 4), Levels((4, 5)), {"size": (16, 16), "deeper": {"sizes": [(1, 2)]}},
          range(3), b"ab", frozenset({1, 2})]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize(
    "given",
    [
        pytest.param(lambda value: {"x": X, "numbers": value}, id="keyword"),
        pytest.param(lambda value: (X, value), id="in a tuple"),
        pytest.param(lambda value: ((X,), {"numbers": value}), id="both"),
        pytest.param(lambda value: lambda: (X, value), id="from a callable"),
    ],
)
def test_a_value_is_passed_as_it_is(given, value):
    assert rows(times(value), inputs=given(value)) == 2 * len(value)


@pytest.mark.parametrize("mode", ["infer", "train"])
def test_layers_that_are_chosen_by_a_tuple(mode):
    """Four of twelve layers have a head of 100 outputs; a training step multiplies three times as much in each."""

    class Taps(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList(nn.Linear(8, 8) for _ in range(12))
            self.head = nn.Linear(8, 100)

        def forward(self, x, taps):
            out = []
            for number, block in enumerate(self.blocks):
                x = block(x)
                if number in taps:
                    out.append(self.head(x))
            return out

    forward = 12 * 2 * 8 * 8 + 4 * 2 * 8 * 100
    first = 2 * 8 * 8  # the gradient of the input is not needed
    expected = forward if mode == "infer" else 3 * forward - first
    assert measure(Taps, inputs={"x": X, "taps": (2, 5, 8, 11)}, mode=mode).macs == expected


def test_sizes_beside_an_image():
    """Interpolated to 4 x 6 pixels, then 3 * 5 multiply-adds at each."""

    class Resized(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 5, 1, bias=False)

        def forward(self, image, size):
            return self.layer(nn.functional.interpolate(image, size=size, mode="nearest"))

    image = torch.zeros(2, 3, 8, 8)
    assert measure(Resized, inputs=(image, (4, 6))).macs == 2 * 4 * 6 * 3 * 5
    assert measure(Resized, inputs={"image": image, "size": [4, 6]}).macs == 2 * 4 * 6 * 3 * 5
    assert measure(Resized, inputs=((image,), {"size": (4, 6)})).macs == 2 * 4 * 6 * 3 * 5


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        pytest.param({"x": ("batch", 8)}, 5, id="in a dict"),
        pytest.param((("batch", 8),), 5, id="in a tuple"),
        pytest.param(([("batch", 8), ("batch", 8)],), 10, id="in a list in a tuple"),
        pytest.param({"x": {"deep": [("batch", "seq", 8)]}}, 15, id="deep"),
        pytest.param({"x": torch.Size([4, 8])}, 4, id="torch.Size in a dict"),
        pytest.param((torch.Size([4, 8]),), 4, id="torch.Size in a tuple"),
        pytest.param(torch.Size([4, 8]), 4, id="torch.Size"),
        pytest.param([torch.Size([4, 8])], 4, id="list of torch.Size"),
        pytest.param({"x": X.shape}, 2, id="shape of a tensor"),
        pytest.param((4, 8), 4, id="numbers at the top"),
        pytest.param([(4, 8)], 4, id="list of numbers at the top"),
        pytest.param(tensor(4, 8), 4, id="tensor"),
        pytest.param({"x": tensor("batch", "seq", 8)}, 15, id="tensor in a dict"),
        pytest.param(({"deep": [tensor(4, 8)]},), 4, id="tensor deep"),
        pytest.param(([tensor(4, 8), torch.zeros(2, 8)],), 6, id="tensor beside the user's"),
        pytest.param(OrderedDict(x=("batch", 8)), 5, id="OrderedDict"),
        pytest.param((defaultdict(list, a=("batch", 8)),), 5, id="defaultdict in a tuple"),
        pytest.param(((tensor("batch", 8),), {}), 5, id="positional, no keywords"),
        pytest.param(((), {"x": ("batch", 8)}), 5, id="keywords, no positional"),
        pytest.param(lambda batch: tensor(batch, 8), 5, id="callable to a tensor"),
        pytest.param(lambda: ((("batch", 8),), {}), 5, id="callable to both"),
        pytest.param(partial(lambda size, batch: (batch, size), 8), 5, id="partial"),
    ],
)
def test_a_shape_is_a_tensor(inputs, expected):
    def call(layer, x):
        def visit(value):
            if isinstance(value, torch.Tensor):
                layer(value)
            else:
                for item in value.values() if isinstance(value, dict) else value:
                    visit(item)

        visit(x)
        return torch.zeros(1)

    assert rows(call, inputs=inputs, batch=5, seq=3) == expected


def test_each_shape_in_a_list_is_an_argument():
    def call(layer, a, b, c=None):
        return layer(a), layer(b), c if c is None else layer(c)

    assert rows(call, inputs=[(4, 8), ("batch", 8), tensor(3, 8)], batch=2) == 4 + 2 + 3
    assert rows(call, inputs=[tensor(4, 8), tensor(4, 8)]) == 4 + 4


def test_a_shape_and_a_dict_are_two_arguments():
    """A pair of a tuple and a dict is positional and keyword arguments, unless the tuple is a shape."""
    assert rows(lambda layer, x, options: layer(x) if options == {"a": (1, 2)} else None,
                inputs=(("batch", 8), {"a": (1, 2)}), batch=3) == 3  # fmt: skip
    assert rows(lambda layer, x, *, scale: layer(x) * scale, inputs=((X,), {"scale": torch.ones(8)})) == 2
    assert rows(lambda layer, x, y=None, *, z: layer(x) + layer(z), inputs=((X, None), {"z": ("batch", 8)})) == 3
    assert rows(lambda layer, height, width, x: layer(x) if (height, width) == (2, 3) else None,
                inputs=((2, 3), {"x": X})) == 2  # fmt: skip


def test_text_is_an_argument():
    def call(layer, *texts):
        assert set(map(type, texts)) == {str}
        return layer(torch.zeros(len(texts), 8))

    assert rows(call, inputs=("a cat",)) == 1
    assert rows(call, inputs=("a cat", "a dog")) == 2
    assert rows(call, inputs=(("a cat", "a dog"), {})) == 2


def test_a_list_of_text_may_have_the_name_of_a_dimension():
    assert rows(lambda layer, x, names: layer(x) if names == ["batch", "time"] else None,
                inputs=(X, ["batch", "time"])) == 2  # fmt: skip


class Strict(nn.Module):
    """Takes an input of one dtype and size."""

    def __init__(self, dtype, size=(2, 3)):
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.dtype, self.size = dtype, size

    def forward(self, x):
        assert x.dtype == self.dtype, x.dtype
        assert x.shape == self.size, x.shape
        return self.layer(torch.zeros(1, 8, dtype=self.layer.weight.dtype))


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (None, torch.float32), ("fp16", torch.float16), ("bf16", torch.bfloat16), ("double", torch.float64),
        (torch.float32, torch.float32), ("int64", torch.int64), (torch.int64, torch.int64), ("long", torch.int64),
        ("int32", torch.int32), ("int16", torch.int16), ("int8", torch.int8), ("uint8", torch.uint8),
        ("bool", torch.bool), ("torch.bool", torch.bool),
    ],
)  # fmt: skip
@pytest.mark.parametrize("real", [False, True])
def test_the_dtype_of_a_tensor(given, dtype, real):
    cost = attempt(Strict(dtype), inputs=tensor(2, 3, dtype=given), real=real, grad=False)
    assert cost.macs == ROW


def test_a_float_tensor_is_in_the_dtype_that_is_measured():
    def call(layer, *tensors):
        assert [t.dtype for t in tensors] == [torch.bfloat16, torch.bfloat16, torch.bfloat16, torch.int64]
        return layer(tensors[0])

    ids = tensor(2, dtype="int64")
    assert rows(call, inputs=(tensor(2, 8), tensor(2, 8, dtype="fp32"), ("batch", 8), ids), dtype="bf16") == 2


def test_a_tensor_without_sizes_is_one_number():
    assert measure(Strict(torch.int64, ()), inputs={"x": tensor(dtype="int64", high=1000)}).macs == ROW


def values_of(*inputs, **how):
    """What forward gets in one attempt. A list that the model holds would be given back as it was."""
    seen: list[Any] = []
    attempt(Net(lambda layer, *given: seen.extend(x.tolist() for x in given)), inputs=inputs, grad=False, **how)
    return seen


def test_integers_below_a_bound():
    """The same numbers in each attempt that has data; each tensor has its own; all of them are used."""
    inputs = tensor(200, dtype="int64", high=7), tensor(200, dtype="uint8", high=7)
    first, second = values_of(*inputs, real=True)
    assert [first, second] == values_of(*inputs, real=False, keep_small_data=True)
    assert set(first) == set(second) == set(range(7))
    assert first != second


def test_integers_without_a_bound_are_zeros():
    assert values_of(tensor(3, dtype="int64"), tensor(2, dtype="bool"), real=True) == [[0] * 3, [False] * 2]


def test_values_of_a_bounded_tensor_decide_the_count():
    """Each token above the middle is routed to an expert: that needs values, which are those of a real run, too."""

    def call(layer, x, ids):
        return layer(x[ids >= 2])

    inputs = (tensor(40, 8), tensor(40, dtype="int64", high=4))
    found = measure(Net(call), inputs=inputs)
    again = attempt(Net(call), inputs=inputs, real=True, grad=False)
    assert (found.executed, found.macs) == ("meta", again.macs)
    assert 0 < found.macs < 40 * ROW
    with pytest.raises(NeedsRealRun):
        attempt(Net(call), inputs=inputs, real=False, grad=False)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tensor((2, 3)), r"tensor\(\): \(2, 3\) is not a size. Allowed: whole numbers from zero, and names of "
                                 r"dimensions such as 'batch'. Write tensor\(2, 3\)."),
        (lambda: tensor(-1), "-1 is not a size"),
        (lambda: tensor(2.0), "2.0 is not a size"),
        (lambda: tensor(True), "True is not a size"),
        (lambda: tensor(None, 3), "None is not a size"),
        (lambda: tensor(2, dtype="int63"), "dtype='int63' is not a dtype. Allowed: 'int64', .*'bool', 'fp32'.* Did you "
                                           "mean 'int64'?"),
        (lambda: tensor(2, dtype=int), "is not a dtype"),
        (lambda: tensor(2, high=10), "high=10 bounds integers, and no dtype is given. Allowed: uint8, int8"),
        (lambda: tensor(2, dtype="fp32", high=10), "high=10 bounds integers, and dtype is 'float32'"),
        (lambda: tensor(2, dtype="bool", high=2), "high=2 bounds integers, and dtype is 'bool'"),
        (lambda: tensor(2, dtype="int64", high=0), "high=0 is not a whole number above zero"),
        (lambda: tensor(2, dtype="int64", high=2.5), "high=2.5 is not a whole number above zero"),
        (lambda: tensor(2, dtype="uint8", high=257), "high=257 is too large for uint8. Allowed: up to 256."),
        (lambda: tensor(2, dtype="int8", high=129), "high=129 is too large for int8. Allowed: up to 128."),
    ],
)  # fmt: skip
def test_a_tensor_that_cannot_be_meant(make, message):
    with pytest.raises(UsageError, match=message):
        make()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": tensor("batch", "frames")}, r"inputs=tensor\('batch', 'frames'\): 'frames' is not a dimension. Allowed: "
                                           "numbers, 'batch', 'res', 'channels', 'seq'."),
        ({"x": ("batch", "frames")}, r"inputs=\('batch', 'frames'\): 'frames' is not a dimension.* A list of text is "
                                     "passed as it is."),
        (("frames", 80), "'frames' is not a dimension"),
        ([("frames", 80)], "'frames' is not a dimension"),
        ({"x": tensor("seq", dtype="int64")}, r"inputs=tensor\('seq', dtype='int64'\) asks for 'seq', which is not "
                                              "given. Add seq=."),
        ((("batch", -1),), "-1 is not a size"),
        ({1: X}, r"inputs= has the key 1. A dict is the keyword arguments of forward, whose names are text"),
        (((X,), {("a", "b"): X}), r"inputs= has the key \('a', 'b'\)"),
        ((X, (number for number in range(3))), "inputs= holds a generator, .* Give a list."),
        (Size(3, 4), "cannot be read. Allowed: a tensor, a tuple of arguments"),
        ({1, 2}, "cannot be read"),
        (object(), "inputs=<object object> cannot be read"),
        (lambda: None, "inputs=None cannot be read"),
        (lambda: "mel", "inputs='mel' cannot be read"),
    ],
)  # fmt: skip
def test_inputs_that_cannot_be_meant(inputs, message):
    with pytest.raises(UsageError, match=message):
        measure(Net(lambda layer, *x, **y: layer(X)), inputs=inputs)


@pytest.mark.parametrize("inputs", [((6, 8),), {"x": (6, 8)}, (X, (6, 8))])
def test_a_tuple_where_the_model_wants_a_tensor_has_a_hint(inputs):
    class Wants(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x, y=None):
            return self.layer(x if y is None else y)

    with pytest.raises(Exception, match=r"The tuple \(6, 8\) in inputs= is a value; .* give tensor\(6, 8\)\."):
        measure(Wants, inputs=inputs)


def test_the_text_of_a_tensor_makes_it_again():
    for one in (tensor("batch", 80, "seq"), tensor(2, dtype=torch.int64, high=9), tensor(), tensor(0, dtype="half")):
        assert eval(repr(one)) == one


def test_a_tensor_is_described_without_torch():
    code = (
        "import sys; from pytest_modelbudget import tensor; print(tensor('seq', dtype='int64'), 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "tensor('seq', dtype='int64') False\n"
