"""Quantised weights weigh what they store: those of tensor subclasses, and what torch.ao keeps packed for kernels."""

from __future__ import annotations

import pytest
import torch
from counting.int8_tensor import Int8Tensor, quantised
from one_attempt import attempt
from torch import nn

from pytest_modelbudget import measure

FLOAT32 = 4
pytestmark = pytest.mark.filterwarnings("ignore")  # torch.ao is deprecated


def small() -> nn.Module:
    return quantised(nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16, bias=False)))


FIRST = 64 * 32 + 32 * FLOAT32 + 32 * FLOAT32  # int8, a scale for each row, the bias
SECOND = 32 * 16 + 16 * FLOAT32


@pytest.mark.parametrize("target", ["model", "factory", "for real"])
def test_a_subclass_weighs_the_tensors_that_it_stores(target):
    if target == "for real":
        cost = attempt(small(), real=True, grad=False, inputs=(3, 64))
    else:
        cost = measure(small if target == "factory" else small(), inputs=(3, 64))
        assert cost.executed == "meta"
    assert cost.weights == FIRST + SECOND
    assert (cost.by_module()["0"].weights, cost.by_module()["2"].weights) == (FIRST, SECOND)
    assert (cost.params, cost.trainable_params) == (64 * 32 + 32 + 32 * 16, 32)
    assert cost.macs == 3 * (64 * 32 + 32 * 16)
    assert cost.peak.kinds["weights"] == FIRST + SECOND


def test_memory_is_that_of_the_stored_tensors_and_of_the_values_made_of_them():
    # At the peak: weights and input; the elements as float32 and their product with the scale, both of 64 x 32.
    cost = measure(small(), inputs=(3, 64))
    assert cost.memory == FIRST + SECOND + 3 * 64 * FLOAT32 + 2 * 64 * 32 * FLOAT32
    assert measure(small(), inputs=(3, 64), measured=True).measured.memory == cost.memory


def test_a_subclass_is_given_back_with_the_very_tensors_that_it_stored():
    model = small()
    weight, parts = model[0].weight, (model[0].weight.elements, model[0].weight.scale)
    values = [part.clone() for part in parts]
    for mode in ("infer", "train"):
        measure(model, inputs=(3, 64), mode=mode, measured=True)
    assert model[0].weight is weight
    assert isinstance(weight, Int8Tensor)
    assert weight.elements is parts[0]
    assert weight.scale is parts[1]
    assert all(torch.equal(part, value) for part, value in zip(parts, values, strict=True))


def test_a_subclass_in_two_layers_counts_once():
    """By one parameter under two names, and by two parameters that store the same tensors."""

    def same():
        model = nn.Sequential(nn.Linear(32, 32, bias=False), nn.Linear(32, 32, bias=False))
        quantised(model)
        model[1].weight = model[0].weight
        return model

    def same_storage():
        model = same()
        model[1].weight = nn.Parameter(Int8Tensor(model[0].weight.elements, model[0].weight.scale), requires_grad=False)
        return model

    for build, params in ((same, 32 * 32), (same_storage, 2 * 32 * 32)):
        for target in (build, build()):
            cost = measure(target, inputs=(3, 32))
            assert cost.params == params
            assert cost.weights == cost.by_module()["1"].weights == 32 * 32 + 32 * FLOAT32


def dynamic():
    """Two linear layers, whose weights have one scale each, which is a plain number."""
    return torch.ao.quantization.quantize_dynamic(
        nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16)), {nn.Linear}, dtype=torch.qint8
    )


def half():
    """The same in float16. The biases stay in float32."""
    return torch.ao.quantization.quantize_dynamic(
        nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16)), {nn.Linear}, dtype=torch.float16
    )


def recurrent():
    return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.LSTM(8, 8)), {nn.LSTM}, dtype=torch.qint8)


def static():
    """A convolution and a linear layer with a float64 scale and an int64 zero point for each channel."""
    model = nn.Sequential(torch.ao.quantization.QuantStub(), nn.Conv2d(3, 8, 3), nn.Linear(6, 5)).eval()
    model.qconfig = torch.ao.quantization.get_default_qconfig("x86")
    return torch.ao.quantization.convert(torch.ao.quantization.prepare(model))


PACKED = {
    "dynamic": (dynamic, (3, 64), 64 * 32 + 32 + 32 * 16 + 16, 64 * 32 + 32 * 4 + 32 * 16 + 16 * 4),
    "half": (half, (3, 64), 64 * 32 + 32 + 32 * 16 + 16, 2 * 64 * 32 + 32 * 4 + 2 * 32 * 16 + 16 * 4),
    # four gates of 8 from 8 inputs and 8 states, each product with a bias
    "recurrent": (recurrent, (2, 1, 8), 2 * (32 * 8 + 32), 2 * (32 * 8 + 32 * 4)),
    # and the scale and zero point of the quantised input, float32 and int64
    "static": (static, (1, 3, 8, 8), 8 * 27 + 8 + 30 + 5, 8 * 27 + 8 * 4 + 8 * 16 + 30 + 5 * 4 + 5 * 16 + 4 + 8),
}


@pytest.mark.parametrize("name", PACKED)
def test_packed_weights_are_parameters_that_weigh_what_they_store(name):
    build, inputs, params, weights = PACKED[name]
    if torch.backends.quantized.engine not in ("x86", "fbgemm"):
        pytest.skip("this PyTorch has no kernels for quantised layers")
    for target in (build, build()):
        cost = measure(target, inputs=inputs)
        assert (cost.params, cost.trainable_params, cost.weights) == (params, 0, weights)
        assert cost.peak.kinds["weights"] == weights
        top = [row for name, row in cost.by_module().items() if name and "." not in name]
        assert sum(row.weights for row in top) == weights
        assert sum(row.params for row in top) == params
