"""Layers whose weights are quantized and packed: an int8 or int4 multiply-add is a multiply-add.

A packed weight is a blob, or an object of PyTorch's C++ (``torch.classes.quantized``). Its size follows from the input
and the output, or the object is asked. Quantizing and dequantizing are element-wise, and free.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from .count import Count, multiply_adds
from .normalisation import batch_norm_flop, norm_flop
from .products import contraction
from .registry import formula, numel


@formula(
    "_weight_int8pack_mm", "_weight_int4pack_mm", "_weight_int4pack_mm_for_cpu",
    "_weight_int4pack_mm_with_scales_and_zeros", "_mixed_dtypes_linear", "_dyn_quant_matmul_4bit",
    "quantized::int4mm_packed_weight_cpu", "quantized::linear", "quantized::linear_relu",
    "quantized::linear_leaky_relu", "quantized::linear_tanh", "quantized::linear_dynamic",
    "quantized::linear_relu_dynamic", "quantized::linear_dynamic_fp16", "quantized::linear_relu_dynamic_fp16",
    "quantized::linear_dynamic_fp16_unpacked_weight", "quantized::linear_with_input_q_dq_qweight_dq_output_fp32",
    "quantized::linear_with_input_q_dq_qweight_dq_relu_output_fp32", "quantized::matmul",
    "_quantized::linear", "_quantized::linear_dynamic", "_quantized::wrapped_quantized_linear",
    "_quantized::_wrapped_quantized_linear_prepacked", "_quantized::wrapped_fbgemm_linear_fp16_weight",
    "onednn::linear_dynamic_fp16", "onednn::linear_relu_dynamic_fp16", "onednn::qlinear_pointwise",
    "mkldnn::_linear_pointwise", "mkl::_mkl_linear", "sparse::qlinear", "sparse::qlinear_relu",
    "sparse::qlinear_dynamic", "sparse::qlinear_relu_dynamic",
)  # fmt: skip
def packed_linear_flop(input: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """``(..., K)`` by a weight ``(N, K)``, packed or not: K multiply-adds for each output element.

    A weight stored in blocks (``torch.ao.nn.sparse``) counts whole: which of them are zero is inside the object.
    """
    return contraction(out, input.shape[-1], operand=input)


def _taps(weight: Any) -> int:
    """Multiply-adds at one position: of a weight ``(O, C / groups, *kernel)``, all but its first dimension."""
    shape = weight.shape if isinstance(weight, torch.Tensor) else weight.unpack()[0].shape
    return math.prod(shape[1:])


@formula(
    "quantized::conv1d", "quantized::conv1d_relu", "quantized::conv1d_dynamic", "quantized::conv2d",
    "quantized::conv2d_relu", "quantized::conv2d_dynamic", "quantized::conv3d", "quantized::conv3d_relu",
    "quantized::conv3d_dynamic", "_quantized::conv2d", "_quantized::conv2d_relu", "_quantized::conv3d",
    "_quantized::conv3d_relu",
)  # fmt: skip
def packed_conv_flop(input: Any, weight: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """C / groups · kernel for each output element."""
    return multiply_adds(numel(out) * _taps(weight), numel(out))


@formula("quantized::conv2d_add", "quantized::conv2d_add_relu")
def packed_conv_add_flop(input: Any, addend: Any, weight: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """A convolution, and an addition that is free."""
    return packed_conv_flop(input, weight, out=out)


@formula(
    "quantized::conv_transpose1d", "quantized::conv_transpose1d_dynamic", "quantized::conv_transpose2d",
    "quantized::conv_transpose2d_dynamic", "quantized::conv_transpose3d", "quantized::conv_transpose3d_dynamic",
    "_quantized::conv_transpose1d", "_quantized::conv_transpose2d", "mkldnn::_convolution_transpose_pointwise",
)  # fmt: skip
def packed_conv_transpose_flop(input: Any, weight: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """O / groups · kernel for each input element."""
    return multiply_adds(input.numel() * _taps(weight), numel(out))


@formula(
    "onednn::qconv_pointwise", "onednn::qconv1d_pointwise", "onednn::qconv2d_pointwise", "onednn::qconv3d_pointwise"
)
def onednn_conv_flop(
    input: Any, scale: Any, zero_point: Any, weight: Any, *rest: Any, out: Any, **kwargs: Any
) -> Count:  # fmt: skip
    """A convolution and something element-wise after it."""
    return packed_conv_flop(input, weight, out=out)


@formula("mkldnn::_convolution_pointwise")
def mkldnn_conv_flop(input: Any, second: Any, third: Any, fourth: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """A convolution and something element-wise after it: (input, weight, bias, padding, ...).

    The overload ``binary`` has what is added or multiplied before the weight, or before all, where it is changed.
    """
    return packed_conv_flop(input, second if isinstance(fourth, (list, tuple)) else third, out=out)


@formula("mkldnn::_convolution_pointwise_")
def mkldnn_conv_into_flop(addend: Any, input: Any, weight: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """A convolution added to a tensor in place."""
    return packed_conv_flop(input, weight, out=out)


@formula("quantized_lstm")
def quantized_lstm_flop(input: Any, second: Any, third: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """An LSTM whose weights are packed, over ``(T, B, C)`` or packed tokens: arguments as of `rnn_flop`."""
    return _recurrent(4, input, second, third, rest)


@formula("quantized_gru")
def quantized_gru_flop(input: Any, second: Any, third: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """A GRU whose weights are packed."""
    return _recurrent(3, input, second, third, rest)


def _recurrent(gates: int, input: Any, second: Any, third: Any, rest: Any) -> Count:
    """``gates·H`` rows for the input of each layer and direction, and as many for the state of width H."""
    packed = not isinstance(rest[0], bool)  # (data, batch_sizes, hx, params, has_biases, ...)
    states, options = (third, rest[2:]) if packed else (second, rest[1:])
    layers, bidirectional = options[0], options[3]
    tokens = input.shape[0] if packed else input.shape[0] * input.shape[1]
    hidden = (states if isinstance(states, torch.Tensor) else states[0]).shape[-1]
    directions = 2 if bidirectional else 1
    inputs = input.shape[-1] + (layers - 1) * directions * hidden
    columns = directions * (inputs + layers * hidden)
    return multiply_adds(tokens * gates * hidden * columns, tokens * directions * layers * 2 * gates * hidden)


def _cell(gates: int, *names: str) -> None:
    def cell_flop(input: Any, hx: Any, *weights: Any, out: Any, **kwargs: Any) -> Count:
        states, width = input.numel() // input.shape[-1], input.shape[-1]
        hidden = (hx if isinstance(hx, torch.Tensor) else hx[0]).shape[-1]
        return multiply_adds(states * gates * hidden * (width + hidden), states * 2 * gates * hidden)

    formula(*names)(cell_flop)


_cell(4, "quantized::quantized_lstm_cell_dynamic")
_cell(3, "quantized::quantized_gru_cell_dynamic")
_cell(1, "quantized::quantized_rnn_relu_cell_dynamic", "quantized::quantized_rnn_tanh_cell_dynamic")


@formula(
    "quantized_batch_norm", "quantized::batch_norm", "quantized::batch_norm_relu", "quantized::batch_norm1d",
    "quantized::batch_norm1d_relu", "quantized::batch_norm2d", "quantized::batch_norm2d_relu",
    "quantized::batch_norm3d", "quantized::batch_norm3d_relu",
)  # fmt: skip
def quantized_batch_norm_flop(input: Any, weight: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """With running statistics."""
    return batch_norm_flop(input, weight, training=False)


@formula("onednn::qbatch_norm2d")
def onednn_batch_norm_flop(input: Any, scale: Any, zero: Any, weight: Any, *rest: Any, out: Any) -> Count:
    """With running statistics."""
    return batch_norm_flop(input, weight, training=False)


@formula("quantized::layer_norm", "quantized::group_norm")
def quantized_norm_flop(input: Any, shape: Any, weight: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """As in floating point: called as (input, normalized shape or groups, weight, ...)."""
    return norm_flop(input, weight)


@formula("quantized::instance_norm")
def quantized_instance_norm_flop(input: Any, weight: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """As in floating point."""
    return norm_flop(input, weight)


@formula(
    "quantized::embedding_bag_byte_rowwise_offsets", "quantized::embedding_bag_4bit_rowwise_offsets",
    "quantized::embedding_bag_2bit_rowwise_offsets", "quantized::embedding_bag_byte", "quantized::embedding_bag_4bit",
)  # fmt: skip
def quantized_bag_flop(
    weight: Any, indices: Any, offsets: Any = None, by_frequency: bool = False, mode: int = 0, pruned: bool = False,
    per_sample_weights: Any = None, *rest: Any, out: Any, **kwargs: Any,
) -> Count:  # fmt: skip
    """As ``embedding_bag``: a sum of rows is free, rows weighted one by one are a sparse product."""
    if per_sample_weights is None:
        return multiply_adds(0, 0)
    return multiply_adds(indices.numel() * out.shape[-1], numel(out))
