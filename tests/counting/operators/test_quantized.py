"""Quantized layers cost the multiply-adds of the layers they were made from."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from counting.operators.kernels import count, meta
from one_attempt import attempt
from torch import nn

from pytest_modelbudget import measure

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*:UserWarning"),
    pytest.mark.skipif("qnnpack" not in torch.backends.quantized.supported_engines, reason="it has no engine"),
]
ao = pytest.importorskip("torch.ao.quantization")
B = 2


def quantized(model: nn.Module, sample: torch.Tensor) -> nn.Module:
    """Statically quantized, by the observed ranges of one sample."""
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = "qnnpack"
    try:
        wrapped = ao.QuantWrapper(model).eval()
        wrapped.qconfig = ao.get_default_qconfig("qnnpack")
        ao.prepare(wrapped, inplace=True)
        wrapped(sample)
        return ao.convert(wrapped)
    finally:
        torch.backends.quantized.engine = before


class Tokens(nn.Module):
    """A linear layer over the channels of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.permute(0, 2, 3, 1))


# An output element of a convolution is C / groups · kernel, an input element of a transposed one O / groups · kernel.
STATIC = [
    ("conv2d", lambda: nn.Conv2d(4, 6, 3, padding=1), (B, 4, 8, 8), B * 6 * 64 * 4 * 9, B * 6 * 64),
    ("grouped conv2d", lambda: nn.Conv2d(4, 6, 3, groups=2), (B, 4, 8, 8), B * 6 * 36 * 2 * 9, B * 6 * 36),
    ("conv1d", lambda: nn.Conv1d(4, 6, 3), (B, 4, 8), B * 6 * 6 * 4 * 3, B * 6 * 6),
    ("conv_transpose2d", lambda: nn.ConvTranspose2d(4, 6, 2, stride=2), (B, 4, 8, 8), B * 4 * 64 * 6 * 4, B * 6 * 256),
    ("linear", Tokens, (B, 6, 3, 3), B * 9 * 6 * 5, B * 9 * 5),
    ("conv2d, relu", lambda: nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU()), (B, 4, 8, 8), B * 6 * 36 * 36, B * 6 * 36),
]  # fmt: skip


@pytest.mark.parametrize(("build", "size", "macs", "activations"), [c[1:] for c in STATIC], ids=[c[0] for c in STATIC])
def test_a_statically_quantized_layer(build: Any, size: tuple[int, ...], macs: int, activations: int) -> None:
    model = quantized(build(), torch.randn(size))
    cost = measure(model, inputs=size)
    assert (cost.macs, cost.activations, cost.uncounted) == (macs, activations, {})


def test_a_fused_layer_is_what_is_in_it() -> None:
    """A convolution, its batch norm and its activation, become one with the convolution's weight."""
    model = nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU()).eval()
    fused = quantized(ao.fuse_modules(model, [["0", "1", "2"]]), torch.randn(B, 4, 8, 8))
    cost = measure(fused, inputs=(B, 4, 8, 8))
    assert cost.by_operator() == {"quantized::conv2d_relu": B * 6 * 36 * 4 * 9}


def test_what_is_element_wise_is_free() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add = torch.ao.nn.quantized.FloatFunctional()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.add.add_relu(x, nn.functional.max_pool2d(x, 1))
            return out

    cost = measure(quantized(Sum(), torch.randn(B, 4, 8, 8)), inputs=(B, 4, 8, 8))
    assert (cost.flops, cost.uncounted) == (0, {})


T, IN, H = 3, 6, 5
TOKENS = T * B
# Gates times H rows for the input, and as many for the state of the same width; a second layer reads both directions.
LSTM = TOKENS * 2 * (4 * H * (IN + H) + 4 * H * (2 * H + H))
DYNAMIC = [
    ("linear", lambda: nn.Linear(IN, H), (T, B, IN), TOKENS * IN * H),
    ("lstm", lambda: nn.LSTM(IN, H, 2, bidirectional=True), (T, B, IN), LSTM),
    ("lstm, batch first", lambda: nn.LSTM(IN, H, batch_first=True), (B, T, IN), TOKENS * 4 * H * (IN + H)),
    ("gru", lambda: nn.GRU(IN, H), (T, B, IN), TOKENS * 3 * H * (IN + H)),
    ("lstm cell", lambda: nn.LSTMCell(IN, H), (B, IN), B * 4 * H * (IN + H)),
    ("gru cell", lambda: nn.GRUCell(IN, H), (B, IN), B * 3 * H * (IN + H)),
    ("rnn cell", lambda: nn.RNNCell(IN, H), (B, IN), B * H * (IN + H)),
]  # fmt: skip
KINDS = {nn.Linear, nn.LSTM, nn.GRU, nn.LSTMCell, nn.GRUCell, nn.RNNCell}


@pytest.mark.parametrize("dtype", [torch.qint8, torch.float16])
@pytest.mark.parametrize(("build", "size", "macs"), [case[1:] for case in DYNAMIC], ids=[case[0] for case in DYNAMIC])
def test_a_dynamically_quantized_layer(build: Any, size: tuple[int, ...], macs: int, dtype: torch.dtype) -> None:
    model = ao.quantize_dynamic(nn.Sequential(build()), KINDS, dtype=dtype)
    cost = measure(model, inputs=size)
    assert (cost.macs, cost.uncounted) == (macs, {})


def test_the_torch_convention_counts_two_flops_a_multiply_add() -> None:
    model = ao.quantize_dynamic(nn.Sequential(nn.Linear(IN, H)), KINDS)
    assert measure(model, inputs=(B, IN), convention="torch").flops == 2 * B * IN * H


def test_int8_products_of_weights_that_are_not_packed() -> None:
    """As torchao's int8 layers have them: activations quantized row by row, an int32 product, and scales."""

    class Int8(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("weight", torch.ones(16, 32, dtype=torch.int8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scale = x.abs().amax(-1, keepdim=True) / 127
            rows = (x / scale).round().to(torch.int8)
            return torch._int_mm(rows, self.weight.t()) * scale

    for real in (False, True):
        cost = attempt(Int8, inputs=[(24, 32)], real=real, grad=False)
        assert (cost.macs, cost.activations, cost.uncounted) == (24 * 32 * 16, 24 * 16, {})


def test_int8_weights_beside_activations_in_half_precision() -> None:
    class WeightOnly(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("weight", torch.ones(16, 32, dtype=torch.int8))
            self.register_buffer("scales", torch.ones(16, dtype=torch.bfloat16))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = torch.ops.aten._weight_int8pack_mm(x, self.weight, self.scales)
            return out

    for real in (False, True):
        cost = attempt(WeightOnly, inputs=(torch.ones(24, 32, dtype=torch.bfloat16),), real=real, grad=False)
        assert (cost.macs, cost.uncounted) == (24 * 32 * 16, {})


M, K, N = 3, 16, 8
X, Y = meta(M, K), meta(M, N)
IMAGE, FILTERS, OUT = meta(2, 4, 9, 9), meta(6, 4, 3, 3), meta(2, 6, 7, 7)
CONVOLUTION = 2 * 6 * 49 * 4 * 9
LINEAR = [
    ("quantized::linear", "X"), ("quantized::linear_relu", "X"), ("quantized::linear_leaky_relu", "X"),
    ("quantized::linear_tanh", "X"), ("quantized::linear_relu_dynamic", "X"), ("quantized::linear_dynamic_fp16", "X"),
    ("quantized::linear_relu_dynamic_fp16", "X"), ("quantized::linear_dynamic_fp16_unpacked_weight", "X"),
    ("quantized::linear_with_input_q_dq_qweight_dq_output_fp32", "X"), ("quantized::matmul", "qa"),
    ("quantized::int4mm_packed_weight_cpu", "self"), ("_quantized::linear", "X"), ("_quantized::linear_dynamic", "X"),
    ("_quantized::wrapped_quantized_linear", "X"), ("_quantized::_wrapped_quantized_linear_prepacked", "X"),
    ("_quantized::wrapped_fbgemm_linear_fp16_weight", "X"), ("onednn::linear_dynamic_fp16", "x"),
    ("onednn::qlinear_pointwise", "qx"), ("onednn::qlinear_pointwise.binary", "qx"), ("mkldnn::_linear_pointwise", "X"),
    ("mkldnn::_linear_pointwise.binary", "X"), ("sparse::qlinear", "X"), ("sparse::qlinear_dynamic", "X"),
    ("aten::_weight_int8pack_mm", "self"), ("aten::_weight_int4pack_mm_for_cpu", "self"),
]  # fmt: skip


@pytest.mark.parametrize(("kernel", "name"), LINEAR, ids=[kernel for kernel, _ in LINEAR])
def test_a_linear_kernel_whose_weight_is_packed(kernel: str, name: str) -> None:
    assert count(kernel, Y, **{name: X}) == (M * N * K, M * N * K, M * N)


CONVOLUTIONS = [
    ("onednn::qconv_pointwise", {"qx": IMAGE, "qw": FILTERS}),
    ("onednn::qconv2d_pointwise", {"qx": IMAGE, "qw": FILTERS}),
    ("onednn::qconv2d_pointwise.binary", {"qx": IMAGE, "qw": FILTERS, "qaccum": OUT}),
    ("mkldnn::_convolution_pointwise", {"X": IMAGE, "W": FILTERS, "padding": [0, 0]}),
    ("mkldnn::_convolution_pointwise.binary", {"X": IMAGE, "other": OUT, "W": FILTERS, "B": meta(6)}),
    ("mkldnn::_convolution_pointwise_.binary", {"other": OUT, "X": IMAGE, "W": FILTERS}),
]


@pytest.mark.parametrize(("kernel", "given"), CONVOLUTIONS, ids=[kernel for kernel, _ in CONVOLUTIONS])
def test_a_convolution_kernel_with_something_after_it(kernel: str, given: dict[str, Any]) -> None:
    assert count(kernel, OUT, **given) == (CONVOLUTION, CONVOLUTION, 2 * 6 * 49)


def test_a_convolution_of_a_packed_weight_and_an_addend() -> None:
    packed = torch.ops.quantized.conv2d_prepack(
        torch.quantize_per_tensor(torch.ones(6, 4, 3, 3), 0.1, 0, torch.qint8), None, [1, 1], [0, 0], [1, 1], 1
    )
    given = {"qx": IMAGE, "qaccum": OUT, "packed_weight": packed}
    assert count("quantized::conv2d_add", OUT, **given) == (CONVOLUTION, CONVOLUTION, 2 * 6 * 49)


NORMED, WEIGHT = meta(2, 6, 4, 5), meta(6)
NORMS = [
    # FLOPs an element as fvcore counts them: 2 with running statistics, 5 with those of the input
    ("aten::quantized_batch_norm", {"input": NORMED, "weight": WEIGHT}, 2),
    ("quantized::batch_norm2d", {"qx": NORMED, "weight": WEIGHT}, 2),
    ("quantized::batch_norm_relu", {"qx": NORMED, "weight": WEIGHT}, 2),
    ("onednn::qbatch_norm2d", {"qx": NORMED, "weight": WEIGHT}, 2),
    ("quantized::layer_norm", {"input": NORMED, "weight": WEIGHT}, 5),
    ("quantized::group_norm", {"input": NORMED, "weight": WEIGHT}, 5),
    ("quantized::instance_norm", {"input": NORMED, "weight": WEIGHT}, 5),
]


@pytest.mark.parametrize(("kernel", "given", "each"), NORMS, ids=[kernel for kernel, *_ in NORMS])
def test_a_norm(kernel: str, given: dict[str, Any], each: int) -> None:
    assert count(kernel, NORMED, **given) == (0, each * NORMED.numel(), 0)


@pytest.mark.parametrize(("weights", "macs"), [(None, 0), (meta(7), 7 * 8)], ids=["sum", "weighted"])
def test_a_bag_of_words(weights: Any, macs: int) -> None:
    given = {"weight": meta(20, 16), "indices": meta(7, dtype=torch.int64), "per_sample_weights": weights}
    for kernel in ("quantized::embedding_bag_byte_rowwise_offsets", "quantized::embedding_bag_4bit_rowwise_offsets"):
        assert count(kernel, meta(3, 8), **given)[0] == macs
