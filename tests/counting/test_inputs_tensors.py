"""The tensors of ``inputs=``: which of them are one, what they take in memory, and kinds of tensors of their own."""

from __future__ import annotations

import pytest
import torch
from counting import fingerprint
from counting.layer_and_call import Net
from one_attempt import attempt
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence
from torchvision import tv_tensors

from pytest_modelbudget import UsageError, measure, tensor

ROW = 8 * 8
WAYS = pytest.mark.parametrize(
    "how",
    [
        pytest.param({"real": False}, id="meta"),
        pytest.param({"real": False, "keep_small_data": True}, id="meta with small data"),
        pytest.param({"real": True}, id="real"),
    ],
)


def inputs_of(inputs, how, call=lambda layer, *x: None, **arguments):
    """The bytes of inputs, in one attempt."""
    return attempt(Net(call), inputs=inputs, grad=False, **how, **arguments).peak.kinds["inputs"]


# -- one tensor, however often -----------------------------------------------------------------------------------------


@WAYS
def test_a_tensor_that_is_passed_twice_is_one_input(how):
    x = torch.zeros(4, 8)
    y = tensor(4, 8)
    for one in (x, y):
        for inputs in ((one, one), {"a": one, "b": one}, ((one,), {"b": one}), (one, [one, {"c": (one,)}])):
            assert inputs_of(inputs, how, lambda layer, *a, **b: None) == 4 * 8 * 4
    assert inputs_of((x, x.clone()), how) == 2 * 4 * 8 * 4
    assert inputs_of((tensor(4, 8), tensor(4, 8)), how) == 2 * 4 * 8 * 4
    assert inputs_of((("batch", 8), ("batch", 8)), how, batch=4) == 2 * 4 * 8 * 4
    assert inputs_of([(4, 8), (4, 8)], how) == 2 * 4 * 8 * 4


@WAYS
def test_a_tensor_that_is_passed_twice_is_the_same(how):
    def call(layer, x, y, deep):
        assert x is y
        assert deep["x"] is x
        assert deep["list"][0] is deep["list"][1]
        assert deep["again"] is deep["list"]
        return layer(x)

    for x in (torch.zeros(4, 8), tensor(4, 8), torch.zeros(4, 8, device="meta")):
        items = [{"x": x}] * 2
        inputs = (x, x, {"x": x, "list": items, "again": items})
        assert attempt(Net(call), inputs=inputs, grad=False, **how).macs == 4 * ROW


@pytest.mark.parametrize(("mode", "passes"), [("infer", 1), ("train", 3)])
def test_self_attention(mode, passes):
    """One product of 8 x 24 for all of q, k and v, and of 8 x 8 for the output: 4 tokens, and 4 x 4 scores of 8, twice.

    A training step multiplies three times as much, but for the gradient of the input of the first product.
    """
    q = torch.zeros(4, 1, 8)
    forward = 4 * 8 * 24 + 4 * 8 * 8 + 2 * 4 * 4 * 8
    expected = forward if mode == "infer" else passes * forward - 4 * 8 * 24
    for inputs in ((q, q, q), {"query": q, "key": q, "value": q}, ((q, q), {"value": q}), (q, q, q, None, False)):
        cost = measure(nn.MultiheadAttention(8, 2), inputs=inputs, mode=mode)
        assert (cost.macs, cost.peak.kinds["inputs"]) == (expected, 4 * 8 * 4)


@WAYS
def test_tensors_in_one_storage_share_it(how):
    """As q, k and v in one product's output: the storage is there once, with what lies between them."""
    packed = torch.zeros(4, 24)
    whole = 4 * 24 * 4
    assert inputs_of(packed.chunk(3, -1), how) == whole
    assert inputs_of((packed, packed.t()), how) == whole
    assert inputs_of((packed, packed[1:3]), how) == whole
    assert inputs_of(tuple(packed.unbind(0)), how) == whole
    assert inputs_of((packed[1], packed[2]), how) == 2 * 24 * 4  # the rest of the storage is no input
    assert inputs_of((packed[:, :8], packed[:0]), how) == (3 * 24 + 8) * 4
    assert inputs_of((packed[0].expand(100, 24),), how) == 24 * 4
    assert inputs_of((packed, packed.t()), how, dtype="bf16") == whole // 2
    ids = torch.arange(12).view(3, 4)
    assert inputs_of((ids, ids.t(), ids[0]), how) == 12 * 8


@WAYS
def test_tensors_in_one_storage_are_as_the_users(how):
    packed = torch.arange(24.0).view(4, 6)
    parts = [
        *packed.chunk(3, -1),
        packed.t(),
        packed[1:, ::2],
        packed.expand(2, 4, 6),
        packed.as_strided((2, 2), (1, 7), 3),
    ]

    def call(layer, *given):
        for part, new in zip(parts[: len(given)], given, strict=True):
            assert (new.shape, new.stride(), new.dtype) == (part.shape, part.stride(), part.dtype)
            if how["real"]:
                assert torch.equal(new, part)
        given[0].zero_()
        return layer(torch.zeros(1, 8))

    before = fingerprint.of_model(parts)
    for count in (1, 2, len(parts)):
        assert attempt(Net(call), inputs=tuple(parts[:count]), grad=False, **how).macs == ROW
    assert fingerprint.differences(before, fingerprint.of_model(parts)) == []


@WAYS
@pytest.mark.parametrize(
    "part", [lambda t: t[:, :3], lambda t: t.t(), lambda t: t[0].expand(5, 6), lambda t: t[::2, 1]]
)
def test_a_view_has_the_strides_that_it_has(how, part):
    """A model that asks whether its input is contiguous sees the same in each attempt."""
    given = part(torch.arange(24.0).view(4, 6))

    def call(layer, x):
        assert (x.shape, x.stride(), x.is_contiguous()) == (given.shape, given.stride(), given.is_contiguous())
        if how["real"]:
            assert torch.equal(x, given)
        return layer(torch.zeros(1, 8))

    assert attempt(Net(call), inputs=(given,), grad=False, **how).macs == ROW


@WAYS
def test_inference_tensors_are_inputs_like_others(how):
    with torch.inference_mode():
        x = torch.zeros(4, 24)
        parts = (*x.chunk(3, -1), torch.zeros(1, 8))
    call = lambda layer, *x: layer(x[0].mul_(2)) + layer(x[3])  # noqa: E731
    assert attempt(Net(call), inputs=parts, grad=False, **how).macs == 5 * ROW
    assert measure(Net(lambda layer, *x: layer(x[0])), inputs=parts, mode="train").macs == 2 * 4 * ROW


# -- gradients ---------------------------------------------------------------------------------------------------------


def test_the_gradient_of_an_input_is_computed_where_it_is_asked_for():
    """The output, the gradient of the weight and, if the input requires it, that of the input: 4 rows each."""
    for requires, passes in ((False, 2), (True, 3)):
        x = torch.zeros(4, 8, requires_grad=requires)
        cost = measure(nn.Linear(8, 8), inputs=x, mode="train", optimizer="none")
        assert cost.macs == passes * 4 * ROW
        real = attempt(nn.Linear(8, 8), inputs=(x,), mode="train", optimizer="none", real=True, grad=True)
        assert real.macs == passes * 4 * ROW
        assert x.grad is None


def test_a_force_is_the_gradient_of_an_input():
    """A layer and the gradient of its input."""
    inputs = {"x": torch.zeros(4, 8).requires_grad_()}
    cost = measure(Net(lambda layer, x: torch.autograd.grad(layer(x).sum(), x)[0]), inputs=inputs)
    assert (cost.macs, cost.executed) == (2 * 4 * ROW, "meta")


@WAYS
def test_a_parameter_stays_one(how):
    def call(layer, x, parameter):
        assert type(x) is torch.Tensor
        assert type(parameter) is nn.Parameter
        assert (x.requires_grad, parameter.requires_grad) == (False, True)
        return layer(parameter)

    inputs = (torch.zeros(4, 8), nn.Parameter(torch.zeros(4, 8)))
    assert attempt(Net(call), inputs=inputs, grad=False, **how).macs == 4 * ROW


# -- kinds of tensors --------------------------------------------------------------------------------------------------


@WAYS
def test_a_subclass_and_its_attributes(how):
    def call(layer, image, boxes, marked):
        assert type(image) is tv_tensors.Image
        assert (type(boxes), boxes.canvas_size, boxes.format.name) == (tv_tensors.BoundingBoxes, (8, 8), "XYXY")
        assert marked.note == ["a"]
        marked.note.append("b")
        return layer(image.as_subclass(torch.Tensor))

    marked = torch.zeros(1)
    marked.note = ["a"]
    boxes = tv_tensors.BoundingBoxes(torch.zeros(3, 4), format="XYXY", canvas_size=(8, 8))
    inputs = (tv_tensors.Image(torch.zeros(1, 4, 8)), boxes, marked)
    assert attempt(Net(call), inputs=inputs, grad=False, **how).macs == 4 * ROW
    assert marked.note == ["a"]


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_of_strided_layout_is_refused():
    nested = torch.nested.nested_tensor([torch.zeros(2, 8), torch.zeros(5, 8)], layout=torch.strided)
    message = "a nested tensor of strided layout, .* jagged layout: torch.nested.nested_tensor"
    for inputs in (nested, (nested,), {"input": nested}, ({"deep": [nested]},)):
        for arguments in ({}, {"mode": "train"}, {"measured": True}, {"counter": "fvcore"}):
            with pytest.raises(UsageError, match=message):
                measure(nn.Linear(8, 8), inputs=inputs, **arguments)


def test_a_nested_tensor_of_jagged_layout_is_counted():
    """Sequences of 2 and 5 rows: their values, and the 3 places where they begin and end, integers of 8 bytes."""
    nested = torch.nested.nested_tensor([torch.zeros(2, 8), torch.zeros(5, 8)], layout=torch.jagged)
    for inputs in (nested, (nested,), {"input": nested}):
        cost = measure(nn.Linear(8, 8), inputs=inputs)
        assert (cost.macs, cost.executed) == (7 * ROW, "meta")
        for real in (False, True):
            peak = attempt(nn.Linear(8, 8), inputs=inputs, real=real, grad=False).peak
            assert (peak.kinds["inputs"], peak.kinds["activations"]) == (7 * 8 * 4 + 3 * 8, 7 * 8 * 4)
        assert measure(nn.Linear(8, 8), inputs=inputs, mode="train").macs == 2 * 7 * ROW
    assert measure(nn.Linear(8, 8), inputs=nested, dtype="bf16").inputs.startswith("bfloat16")


@WAYS
def test_nested_tensors_with_the_same_lengths_go_together(how):
    nested = torch.nested.nested_tensor([torch.zeros(2, 8), torch.zeros(5, 8)], layout=torch.jagged)
    cost = attempt(Net(lambda layer, a, b: layer(a + b)), inputs=(nested, nested * 2), grad=False, **how)
    assert cost.macs == 7 * ROW


LENGTHS = (5, 2, 4)
STEPS = sum(LENGTHS)


def packed():
    """Three sequences, out of order."""
    return pack_padded_sequence(torch.ones(3, 5, 8), torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("dtype", [None, "bf16"])
def test_a_packed_sequence_is_one_argument(layer, dtype):
    """Each step of each sequence multiplies its 8 values and the 6 of the state for 4, 3 or 1 gates."""
    gates = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1}[layer]
    for inputs in (packed(), (packed(),), {"input": packed()}, lambda: packed()):
        cost = measure(layer(8, 6), inputs=inputs, dtype=dtype)
        assert cost.macs == STEPS * gates * 6 * (8 + 6)
        assert cost.executed == "meta"


def test_a_packed_sequence_in_a_training_step_and_for_real():
    """Backward: the gradient of the weights, and that of the state at all steps but the first of each sequence.

    The sequence requires no gradient.
    """
    forward = STEPS * 4 * 6 * (8 + 6)
    states = (STEPS - len(LENGTHS)) * 4 * 6 * 6
    model, sequence = nn.LSTM(8, 6), packed()
    parts = list(sequence)
    before = fingerprint.of_model(parts)
    assert attempt(model, inputs=sequence, real=True, grad=False).macs == forward
    assert measure(model, inputs=sequence, measured=True).measured.memory > 0
    assert fingerprint.differences(before, fingerprint.of_model(parts)) == []
    assert measure(model, inputs=sequence, mode="train").macs == 2 * forward + states


@WAYS
def test_the_parts_of_a_packed_sequence(how):
    def call(layer, sequence):
        assert type(sequence) is PackedSequence
        assert sequence.batch_sizes.tolist() == [3, 3, 2, 2, 1]
        assert sequence.data.shape == (STEPS, 8)
        padded, _ = pad_packed_sequence(sequence)
        assert padded.shape == (5, 3, 8)
        return layer(padded)

    inputs = packed()
    assert attempt(Net(call), inputs=inputs, grad=False, **how).macs == 15 * ROW
    sorted_one = pack_sequence([torch.ones(5, 8), torch.ones(2, 8)])
    assert attempt(Net(lambda layer, s: layer(s.data)), inputs=sorted_one, grad=False, **how).macs == 7 * ROW
