"""Gradients that a kernel computes in one call: each takes a product for every operand of the forward product.

Only gradients that are asked for count: by the operator's mask where it has one, else by what requires gradients
among its arguments. Convolutions and attention have theirs beside their forward formulas.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from . import nested
from .convolution import convolution_backward_flop
from .count import Count, multiply_adds
from .registry import formula
from .sparse import stored_elements


def _each(macs: int, operands: Sequence[Any], asked: Iterable[Any]) -> Count:
    """One product of ``macs`` for each operand whose gradient is asked for: as many elements as the operand has."""
    wanted = [operand for operand, ask in zip(operands, asked, strict=False) if ask]
    return multiply_adds(macs * len(wanted), sum(operand.numel() for operand in wanted))


def _real_products(tensor: Any) -> int:
    return 4 if tensor.dtype.is_complex else 1


@formula("linear_backward", "mkldnn_linear_backward")
def linear_backward_flop(self: Any, grad_output: Any, weight: Any, output_mask: Any, *, out: Any) -> Count:
    """``grad @ W`` and ``gradᵀ @ x``: N·K multiply-adds a row each."""
    macs = grad_output.numel() * weight.shape[1] * _real_products(weight)
    return _each(macs, (self, weight), output_mask)


@formula("mkldnn_linear_backward_input")
def linear_backward_input_flop(input_size: Any, grad_output: Any, weight: Any, *, out: Any) -> Count:
    """``grad @ W``."""
    return multiply_adds(grad_output.numel() * weight.shape[1], out.numel())


@formula("mkldnn_linear_backward_weights")
def linear_backward_weights_flop(
    grad_output: Any, input: Any, weight: Any, bias_defined: bool, *, out: Any
) -> Count:  # fmt: skip
    """``gradᵀ @ x``; the gradient of the bias is a sum."""
    return multiply_adds(grad_output.numel() * weight.shape[1], weight.numel())


@formula("matmul_backward")
def matmul_backward_flop(grad: Any, self: Any, other: Any, mask: Any, *, out: Any) -> Count:
    """``grad @ otherᵀ`` and ``selfᵀ @ grad``, each as many multiply-adds as ``self @ other``."""
    if self.is_nested or other.is_nested:
        return _each(nested.product_macs(self, other), (self, other), mask)
    return _each(grad.numel() * self.shape[-1] * _real_products(self), (self, other), mask)


@formula("convolution_backward_overrideable")
def convolution_backward_overrideable_flop(
    grad: Any, input: Any, weight: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, *rest: Any,
    out: Any,
) -> Count:  # fmt: skip
    """As ``convolution_backward``, without the sizes of the bias."""
    return convolution_backward_flop(grad, input, weight, None, stride, padding, dilation, transposed, *rest, out=out)


@formula("mps_convolution_backward")
def mps_convolution_backward_flop(
    self: Any, grad: Any, weight: Any, padding: Any, stride: Any, dilation: Any, groups: int, mask: Any, *, out: Any
) -> Count:
    """As ``convolution_backward``."""
    return convolution_backward_flop(
        grad, self, weight, None, stride, padding, dilation, False, padding, groups, mask, out=out
    )


@formula("mps_convolution_transpose_backward")
def mps_convolution_transpose_backward_flop(
    self: Any, grad: Any, weight: Any, padding: Any, output_padding: Any, stride: Any, dilation: Any, groups: int,
    mask: Any, *, out: Any,
) -> Count:  # fmt: skip
    """As ``convolution_backward`` of a transposed one."""
    return convolution_backward_flop(
        grad, self, weight, None, stride, padding, dilation, True, output_padding, groups, mask, out=out
    )


@formula("_slow_conv2d_backward")
def slow_conv2d_backward_flop(
    grad: Any, self: Any, weight: Any, kernel: Any, stride: Any, padding: Any, output_mask: Any = (True,) * 3, *,
    out: Any,
) -> Count:  # fmt: skip
    """As ``convolution_backward``, in one group; the overload without a mask gives all gradients."""
    return convolution_backward_flop(
        grad, self, weight, None, stride, padding, 1, False, padding, 1, output_mask, out=out
    )


@formula("cudnn_affine_grid_generator_backward")
def affine_grid_backward_flop(grad: Any, *sizes: int, out: Any) -> Count:
    """``gradᵀ`` times the base grid: 3 multiply-adds for each coordinate of each point."""
    return multiply_adds(grad.numel() * 3, out.numel())


@formula("_cdist_backward")
def cdist_backward_flop(grad: Any, x1: Any, x2: Any, p: float, cdist: Any, *, out: Any) -> Count:
    """The gradient of one of the two sets of points: P·R·M multiply-adds, as the distances take."""
    return multiply_adds(grad.numel() * x1.shape[-1], out.numel())


@formula("_pdist_backward")
def pdist_backward_flop(grad: Any, self: Any, p: float, pdist: Any, *, out: Any) -> Count:
    """M multiply-adds for each pair, added to one of its points and taken from the other."""
    return multiply_adds(grad.numel() * self.shape[-1], out.numel())


@formula("_embedding_bag_backward")
def embedding_bag_backward_flop(
    grad: Any, indices: Any, offsets: Any, bags: Any, sizes: Any, maxima: Any, words: int, by_frequency: bool,
    mode: int, sparse: bool, per_sample_weights: Any, padding_idx: int = -1, *, out: Any,
) -> Count:  # fmt: skip
    """Rows added up where their words stand, which is free; weighted one by one a sparse product, as forward."""
    return _weighted_rows(grad, indices, per_sample_weights, out)


@formula("_embedding_bag_dense_backward")
def embedding_bag_dense_backward_flop(
    grad: Any, indices: Any, bags: Any, sizes: Any, maxima: Any, words: int, by_frequency: bool, mode: int,
    per_sample_weights: Any, padding_idx: int = -1, *, out: Any,
) -> Count:  # fmt: skip
    """As ``_embedding_bag_backward``."""
    return _weighted_rows(grad, indices, per_sample_weights, out)


def _weighted_rows(grad: Any, indices: Any, weights: Any, out: Any) -> Count:
    return multiply_adds(0, 0) if weights is None else multiply_adds(indices.numel() * grad.shape[-1], out.numel())


@formula("_embedding_bag_per_sample_weights_backward")
def embedding_bag_weights_backward_flop(grad: Any, weight: Any, indices: Any, *rest: Any, out: Any) -> Count:
    """For each word the product of its row with the gradient of its bag."""
    return multiply_adds(indices.numel() * weight.shape[-1], out.numel())


@formula("_sparse_mm_reduce_impl_backward")
def sparse_mm_reduce_backward_flop(
    self: Any, grad_out: Any, weight: Any, reduce: str, arg_out: Any, output_mask: Any, *, out: Any
) -> Count:
    """A product at the stored elements, and one of the transposed matrix: each element meets every column."""
    stored = stored_elements(self)
    elements = self.numel() if stored is None else stored
    count = _each(elements * grad_out.shape[-1], (self, weight), output_mask)
    return count._replace(activations=(elements if output_mask[0] else 0) + (weight.numel() if output_mask[1] else 0))


# Recurrent layers: forward, every matrix meets every token once. Backward it does so twice: for the gradient of what
# it multiplied, and for its own. No product makes the gradient of an input or first state that nothing asks for.


@formula("mkldnn_rnn_layer_backward")
def mkldnn_rnn_layer_backward_flop(
    input: Any, weight1: Any, weight2: Any, weight3: Any, weight4: Any, hx_: Any, *rest: Any, out: Any
) -> Count:
    """One layer and direction over ``(T, B, C)`` on a CPU: products of the input's weights, and of the state's."""
    tokens, first = input.shape[0] * input.shape[1], input.shape[1]
    of_state = tokens if hx_.requires_grad else tokens - first
    macs = weight1.numel() * tokens * (input.requires_grad + weight1.requires_grad)
    macs += weight2.numel() * (of_state + tokens * weight2.requires_grad)
    return multiply_adds(macs, sum(t.numel() for t in (input, weight1, weight2) if t.requires_grad))


def _recurrent_backward(
    tokens: int, first: int, layers: Sequence[Sequence[Any]], directions: int, asked: tuple[bool, bool, bool]
) -> Count:
    """Products of each layer and direction, whose matrices are ``layers``: of the input, of the state, a projection.

    ``first``: the tokens of the first step. ``asked``: for the gradients of the input, of the first state, of weights.
    """
    of_input, of_state, of_weights = asked
    macs = 0
    for place, (w_ih, w_hh, *projection) in enumerate(layers):
        into = of_input or place >= directions  # the input of a later layer has a gradient always
        macs += w_ih.numel() * tokens * (into + of_weights)
        macs += w_hh.numel() * ((tokens if of_state else tokens - first) + tokens * of_weights)
        macs += sum(matrix.numel() for matrix in projection) * tokens * (1 + of_weights)
    matrices = [matrix for layer in layers for matrix in layer]
    return multiply_adds(macs, sum(matrix.numel() for matrix in matrices) if of_weights else 0)


def _by_layer(weights: Sequence[Any], layers: int) -> list[list[Any]]:
    """The matrices among the weights, those of each of ``layers`` layers and directions together."""
    each = len(weights) // layers
    return [[w for w in weights[at : at + each] if w.dim() == 2] for at in range(0, len(weights), each)]


@formula("_cudnn_rnn_backward", "miopen_rnn_backward")
def cudnn_rnn_backward_flop(input: Any, weight: Any, stride: int, buffer: Any, hx: Any, *rest: Any, out: Any) -> Count:
    """All layers over ``(T, B, C)``, or over packed tokens, of which the first step has ``batch_sizes[0]``.

    The mask asks for the gradients of the input, the first hidden and cell state, and the weights.
    """
    mask, batch_sizes = rest[-1], rest[-4]
    tokens = input.shape[0] if input.dim() == 2 else input.shape[0] * input.shape[1]
    layers = _by_layer(weight, hx.shape[0])
    return _recurrent_backward(
        tokens,
        batch_sizes[0] if batch_sizes else hx.shape[1],
        layers,
        2 if rest[-5] else 1,
        (mask[0], mask[1], mask[3]),
    )


@formula("lstm_mps_backward")
def mps_lstm_backward_flop(
    grad_y: Any, grad_hy: Any, grad_cy: Any, z: Any, cells: Any, input: Any, outputs: Any, hx: Any, params: Any,
    has_biases: bool, num_layers: int, dropout: float, train: bool, bidirectional: bool, batch_first: bool, *, out: Any,
) -> Count:  # fmt: skip
    """All layers over ``(T, B, C)`` on a Mac."""
    tokens, batch = input.shape[0] * input.shape[1], input.shape[0 if batch_first else 1]
    directions = 2 if bidirectional else 1
    weights = any(w.requires_grad for w in params)
    return _recurrent_backward(
        tokens, batch, _by_layer(params, num_layers * directions), directions,
        (input.requires_grad, hx[0].requires_grad, weights),
    )  # fmt: skip
